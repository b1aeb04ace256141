"""What the server bounds: who may come in, how long, and how much is kept. Nobody who is in is thrown out."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from running_server import JupyterServer, wait_until

from jupyter_sse._rust import Link

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture(scope="module")
def bounded_server() -> Iterator[JupyterServer]:
    """A server with low bounds on what one address and one event may take, and on all that is held."""
    running = JupyterServer(
        "--SSEApp.max_connections_per_address=3",
        "--SSEApp.max_history_bytes=1048576",
        "--SSEApp.max_event_bytes=5000",
        "--SSEApp.max_connections=10",
    ).start()
    yield running
    running.stop()


def metric(server: JupyterServer, name: str) -> int:
    return server.client.get("api/sse/metrics").json()[name]


def wait_for_nobody(server: JupyterServer) -> None:
    wait_until(lambda: metric(server, "connections") == 0, "no reader is left from the test before")


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check a refusal and return it."""
    assert answer.status_code == status
    assert answer.headers["retry-after"].isdigit()
    assert answer.headers["content-type"] == "application/json"
    refusal = json.loads(answer.read())
    assert refusal["reason"] == "limit"
    return refusal


def read_until(connected: socket.socket, ending: bytes) -> bytes:
    received = b""
    while ending not in received:
        chunk = connected.recv(65_536)
        assert chunk, received
        received += chunk
    return received


def raw_get(server: JupyterServer, address: str, source: str = "127.0.0.1") -> socket.socket:
    """Send a request from an address of this machine, and read nothing yet."""
    connected = socket.create_connection(("127.0.0.1", server.port), timeout=30, source_address=(source, 0))
    lines = [f"GET {server.base_url}{address} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: token {server.token}"]
    connected.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return connected


def test_newcomers_from_one_address_beyond_its_bound_get_429_and_others_come_in(bounded_server: JupyterServer):
    wait_for_nobody(bounded_server)
    bounded_server.publish("address", 1)
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(bounded_server.read("sse/address")) for _ in range(3)]
        cursor = readers[0].take(1)[0].id
        with bounded_server.read("sse/address") as newcomer:
            assert "SSEApp.max_connections_per_address" in refused(newcomer.response, 429)["message"]
        with bounded_server.read("sse/address", headers={"Last-Event-ID": cursor}) as returning:
            assert returning.status == 200
        with raw_get(bounded_server, "sse/address", source="127.0.0.9") as elsewhere:
            assert read_until(elsewhere, b"\r\n").startswith(b"HTTP/1.1 200 ")
        bounded_server.publish("address", 2)
        # Those who are in stay.
        assert [reader.values(1) for reader in readers[1:]] == [[1], [1]]
        assert readers[0].values(1) == [2]


def test_of_newcomers_who_come_at_once_no_more_are_let_in_than_there_is_room_for(bounded_server: JupyterServer):
    wait_for_nobody(bounded_server)
    bounded_server.publish("burst", 1)
    with contextlib.ExitStack() as stack:
        sources = [f"127.0.0.{10 + number // 3}" for number in range(30)]
        sockets = [stack.enter_context(raw_get(bounded_server, "sse/burst", source)) for source in sources]
        statuses = [read_until(connected, b"\r\n\r\n").split()[1] for connected in sockets]
    assert sorted(statuses) == [b"200"] * 10 + [b"503"] * 20


def test_larger_event_than_the_bound_is_refused_with_the_bound(bounded_server: JupyterServer):
    answer = bounded_server.client.post("sse/large", json="x" * 6_000)
    assert answer.status_code == 413
    assert "5000" in answer.json()["message"].replace(",", "")


def test_all_history_together_stays_within_its_bound(bounded_server: JupyterServer):
    for stream in range(10):
        bounded_server.publish(f"history/{stream}", *["x" * 2_000 for _ in range(200)])
    assert metric(bounded_server, "history_bytes") <= 1_048_576
    # A stream that was published last is whole as far as it goes, and says what is gone to who was there.
    history = bounded_server.client.get("api/sse/streams/history/9").json()["history"]
    assert history["events"] > 0


def open_stream(server: JupyterServer, link: Link, name: str, **options: Any) -> None:
    """Make a stream as a kernel does, with options of its own."""
    producer = link.open(name, "send", json.dumps(options))
    producer.send("1")
    assert link.flush(10)


def test_silence_of_a_stream_is_broken_after_its_own_ping_interval_the_smallest_of_many(any_server: JupyterServer):
    link = Link(any_server.link_path, "pid-1", "test")
    try:
        wait_until(lambda: link.linked, "the link is up")
        open_stream(any_server, link, "pings/often", ping_interval=0.1)
        open_stream(any_server, link, "pings/rarely", ping_interval=900)
        for address in ("sse/pings/often", "sse?stream=pings/rarely&stream=pings/often"):
            with any_server.read(address) as reader:
                chunks = reader.response.iter_raw()
                received = b""
                while received.count(b": ping\n\n") < 3:
                    received += next(chunks)
    finally:
        link.close()


def test_each_connection_is_told_another_time_to_come_back(any_server: JupyterServer):
    any_server.publish("jitter", 1)
    told = []
    for _ in range(12):
        with any_server.read("sse/jitter") as reader:
            reader.take(1)
            told.append(int(re.match(rb"retry: (\d+)\n\n", reader.received)[1]))
    assert len(set(told)) > 6
    assert all(1_000 <= milliseconds <= 3_000 for milliseconds in told)


def stream_token(server: JupyterServer, name: str, seconds: int) -> str:
    link = Link(server.link_path, "pid-1", "test")
    try:
        wait_until(lambda: link.linked, "the link is up")
        status, answer = link.request(json.dumps({"op": "token", "name": name, "seconds": seconds}))
    finally:
        link.close()
    assert status == 200, answer
    return json.loads(answer)["token"]


def test_connection_that_a_stream_token_opened_ends_with_the_token(any_server: JupyterServer):
    any_server.publish("lent", 1)
    headers = {"Authorization": f"Bearer {stream_token(any_server, 'lent', seconds=2)}"}
    with (
        any_server.make_client(headers=headers) as client,
        any_server.read("sse/lent", client=client) as reader,
        any_server.read("sse/lent") as owner,
    ):
        assert reader.values(1) == [1]
        assert list(reader.events()) == []
        with any_server.read("sse/lent", client=client, headers={"Last-Event-ID": reader.last_event_id}) as again:
            assert again.status == 403
        any_server.publish("lent", 2)
        assert owner.values(2) == [1, 2]
