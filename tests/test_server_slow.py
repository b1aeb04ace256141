"""Readers that are slow, want fewer events, or take none: what they get, what others see of them, how they end."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from running_server import JupyterServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running_server import Reader

STALL = 1.5
"""For how many seconds a reader may take nothing, in these tests."""


def metric(server: JupyterServer, name: str) -> int:
    return server.client.get("api/sse/metrics").json()[name]


def events_of(reader: Reader) -> list[tuple[str, str]]:
    """Read to the end of the stream; return what is no control event."""
    return [(event.event, event.data) for event in reader.events() if not event.event.startswith("sse.")]


def publish_events(server: JupyterServer, name: str, *events: tuple[str, int]) -> None:
    body = "".join(f"event: {kind}\ndata: {value}\n\n" for kind, value in events)
    answer = server.client.post(f"sse/{name}", content=body, headers={"Content-Type": "text/event-stream"})
    assert answer.status_code == 201, answer.text


def test_conflate_gives_the_last_event_of_each_type_and_the_last_before_the_end(any_server: JupyterServer):
    before = metric(any_server, "conflated")
    publish_events(any_server, "conflated", *[(kind, value) for value in range(50) for kind in ("loss", "lr")])
    with any_server.read("sse/conflated?conflate=0.3") as reader:
        first = [(event.event, event.data) for event in reader.take(2)]
        assert first == [("loss", "49"), ("lr", "49")]
        publish_events(any_server, "conflated", *[("loss", value) for value in range(50, 60)])
        any_server.client.delete("api/sse/streams/conflated")
        assert events_of(reader) == [("loss", "59")]
    assert metric(any_server, "conflated") == before + 98 + 9


def test_conflate_lets_at_most_one_event_through_in_its_time_and_the_last_one_when_silence_follows(
    any_server: JupyterServer,
):
    any_server.publish("paced", 0)
    came = []
    # Before the first event: the interval after it is the hub's, not the reader's.
    began = time.monotonic()
    with any_server.read("sse/paced?conflate=0.4") as reader:
        reader.take(1)
        for value in range(1, 41):
            any_server.publish("paced", value)
        published = time.monotonic() - began
        while not came or came[-1] != 40:
            came += reader.values(1)
        took = time.monotonic() - began
    # Each came an interval after the one before; how long publishing took on this machine decides how many there are.
    assert len(came) <= took / 0.4
    assert took < published + 10
    assert came == sorted(came)


def test_conflate_counts_what_it_leaves_out_apart_from_losses(any_server: JupyterServer):
    any_server.publish("counted-apart", *range(30))
    with any_server.read("sse/counted-apart?conflate=0.1&control=1") as reader:
        told = []
        for event in reader.events():
            assert event.event != "sse.gap"
            if event.event == "sse.state":
                told.append(json.loads(event.data)["conflated"])
                if told[-1] == 29:
                    break
    assert told == sorted(told)


def test_conflate_is_for_each_stream_of_a_connection_and_one_position_resumes_all(any_server: JupyterServer):
    any_server.publish("fewer/a", *range(10))
    any_server.publish("fewer/b", *range(10, 20))
    with any_server.read("sse?stream=fewer/a&stream=fewer/b&conflate=0.2") as reader:
        assert [event.data for event in reader.take(2)] == ["9", "19"]
        any_server.publish("fewer/a", 20, 21)
        any_server.publish("fewer/b", 22, 23)
        assert [event.data for event in reader.take(2)] == ["21", "23"]
    any_server.publish("fewer/a", 24)
    address = "sse?stream=fewer/a&stream=fewer/b&conflate=0.2"
    with any_server.read(address, headers={"Last-Event-ID": reader.last_event_id}) as reader:
        assert [event.data for event in reader.take(1)] == ["24"]


@pytest.mark.parametrize("value", ["", "0", "-1", "nan", "inf", "1e3", "1s", "3601", "0.0001", "1_0"])
def test_conflate_of_no_time_is_refused_with_what_was_expected(server: JupyterServer, value: str):
    server.publish("refused-time", 1)
    answer = server.client.get("sse/refused-time", params={"conflate": value})
    assert answer.status_code == 400
    assert "conflate=<seconds>" in answer.json()["message"]


@pytest.fixture(scope="module", params=["handed over", "portable", "tls"])
def impatient_server(request: pytest.FixtureRequest) -> Iterator[JupyterServer]:
    """A server that closes readers who take nothing, on each way out."""
    arguments = [f"--SSEApp.stall_timeout={STALL}", f"--SSEApp.hand_over={request.param == 'handed over'}"]
    certificate = request.getfixturevalue("certificate") if request.param == "tls" else None
    running = JupyterServer(*arguments, certificate=certificate).start()
    yield running
    running.stop()


def open_raw(server: JupyterServer, address: str) -> socket.socket:
    """Ask for a stream without an HTTP library, on a socket that holds little that nobody has read."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    plain.settimeout(30)
    plain.connect(("127.0.0.1", server.port))
    if isinstance(server.verify, ssl.SSLContext):
        plain = server.verify.wrap_socket(plain, server_hostname="127.0.0.1")
    lines = [f"GET {server.base_url}{address} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: token {server.token}"]
    plain.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return plain


def publish_much(server: JupyterServer, name: str) -> None:
    """Publish more than all buffers on the way hold."""
    for block in range(8):
        server.publish(name, *[[block, number, "x" * 1_000] for number in range(1_000)])


def subscribers(server: JupyterServer, name: str) -> int:
    return server.client.get(f"api/sse/streams/{name}").json()["subscribers"]


def test_reader_that_takes_nothing_is_closed_and_counted_and_comes_back_with_its_cursor(
    impatient_server: JupyterServer,
):
    impatient_server.publish("stall", 0)
    before = metric(impatient_server, "stalled")
    with open_raw(impatient_server, "sse/stall") as stalled, impatient_server.read("sse/stall") as moving:
        cursor = moving.take(1)[0].id
        received = b""
        while b"data: 0\n\n" not in received:
            received += stalled.recv(1_000)
        publish_much(impatient_server, "stall")
        assert len(moving.values(8_000)) == 8_000
        wait_until(lambda: subscribers(impatient_server, "stall") == 1, "the one that takes nothing is gone")
        assert metric(impatient_server, "stalled") == before + 1
        impatient_server.publish("stall", 1)
        assert moving.values(1) == [1]
    with impatient_server.read("sse/stall", headers={"Last-Event-ID": cursor}) as back:
        events = back.take(8_001)
    assert [event.event for event in events] == ["message"] * 8_001
    assert events[-1].data == "1"


def test_slow_reader_that_moves_is_never_closed(impatient_server: JupyterServer):
    impatient_server.publish("slow", 0)
    before = metric(impatient_server, "stalled")
    with open_raw(impatient_server, "sse/slow") as slow:
        slow.recv(1_000)
        publish_much(impatient_server, "slow")
        taken = 0
        deadline = time.monotonic() + 4 * STALL
        while time.monotonic() < deadline:
            chunk = slow.recv(4_096)
            assert chunk
            taken += len(chunk)
            time.sleep(0.1)
        assert taken < 1_000_000
        assert subscribers(impatient_server, "slow") == 1
    assert metric(impatient_server, "stalled") == before


def connections(server: JupyterServer, name: str) -> list[dict]:
    """Return those who read the stream of this name."""
    listed = server.client.get("api/sse/connections").json()
    return [one for one in listed if name in [stream["name"] for stream in one["streams"]]]


PATHS = {"server": "socket", "portable_server": "portable", "tls_server": "portable"}


@pytest.mark.parametrize("fixture", PATHS)
def test_lag_of_each_reader_is_seen_in_events_bytes_and_seconds(fixture: str, request: pytest.FixtureRequest):
    server: JupyterServer = request.getfixturevalue(fixture)
    before = time.time() * 1000
    server.publish("lag", 0)
    with contextlib.ExitStack() as stack:
        lagging = stack.enter_context(open_raw(server, "sse/lag"))
        # It is there before the other one comes.
        assert lagging.recv(1_000)
        moving = stack.enter_context(server.read("sse/lag?control=1"))
        publish_much(server, "lag")
        assert len(moving.values(8_001)) == 8_001

        # Two that came within a millisecond are listed in any order.
        def both() -> list[dict[str, Any]]:
            return sorted(connections(server, "lag"), key=lambda one: one["state"], reverse=True)

        wait_until(lambda: [one["state"] for one in both()] == ["stalled", "moving"], "one stalls")
        first, second = both()
        largest = server.client.get("api/sse/streams/lag").json()["largest_backlog"]
    assert {first["path"], second["path"]} == {PATHS[fixture]}
    assert {first["address"], second["address"]} == {"127.0.0.1"}
    assert before - 1_000 <= first["since"] <= second["since"] <= time.time() * 1_000
    assert second["backlog"] == {"events": 0, "bytes": 0, "seconds": 0.0}
    assert second["streams"][0]["position"].endswith("-8001")
    backlog = first["backlog"]
    assert 1_000 < backlog["events"] <= 8_000
    assert backlog["bytes"] > 1_000 * backlog["events"]
    assert backlog["seconds"] > 4
    assert first["streams"][0]["backlog"]["events"] == backlog["events"]
    written = first["streams"][0]["position"]
    assert written is None or int(written.rpartition("-")[2]) == 8_001 - backlog["events"]
    assert largest["events"] == backlog["events"]


def test_losses_of_a_reader_that_fell_behind_are_counted_for_it_and_in_all(any_server: JupyterServer):
    gaps, lost = metric(any_server, "overflow_gaps"), metric(any_server, "overflow_lost")
    any_server.publish("behind", 0)
    with open_raw(any_server, "sse/behind") as behind:
        received = behind.recv(1_000)
        for _ in range(4):
            publish_much(any_server, "behind")
        # History and live window hold less than was published: what is gone is told when the reader goes on.
        while b"event: sse.gap" not in received[-100_000:]:
            chunk = behind.recv(65_536)
            assert chunk
            received += chunk
        (connection,) = connections(any_server, "behind")
        assert connection["lost"] > 0
        assert connection["streams"][0]["lost"] == connection["lost"]
        assert f'"count":{connection["lost"]}'.encode() in received
    assert metric(any_server, "overflow_gaps") == gaps + 1
    assert metric(any_server, "overflow_lost") == lost + connection["lost"]
