"""Bodies of POSTs while they come: published at once, held nowhere, refused in the middle, cut, and sent again."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from running_server import TIMEOUT, JupyterServer, wait_until

from jupyter_sse._rust import Link
from jupyter_sse.server.early import keep_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = {"Content-Type": "application/x-ndjson"}
EVENTS = {"Content-Type": "text/event-stream"}
MEGABYTE = 1_000_000


class Sender:
    """A POST whose body is sent piece by piece, by hand.

    Attributes:
        connection: Below it, for what a well-behaved client does not do.
    """

    def __init__(self, server: JupyterServer, path: str, length: int | None = None, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        self.is_chunked = length is None
        self.connection.putrequest("POST", f"{server.base_url}{path}")
        size = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        token = {"Authorization": f"token {server.token}"}
        for name, value in {**LINES, **token, **size, **headers}.items():
            self.connection.putheader(name, value)
        self.connection.endheaders()

    def send(self, piece: bytes) -> None:
        """Send a piece of the body."""
        self.connection.send(b"%x\r\n%s\r\n" % (len(piece), piece) if self.is_chunked else piece)

    def end(self) -> tuple[int, dict[str, Any]]:
        """Send the end of the body and return status and JSON of the answer."""
        if self.is_chunked:
            self.connection.send(b"0\r\n\r\n")
        return self.answer()

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Wait for the answer, whether or not the body is over."""
        self.response = self.connection.getresponse()
        return self.response.status, json.loads(self.response.read())

    def cut(self) -> None:
        """Go away."""
        self.connection.close()


def held(server: JupyterServer, name: str) -> int:
    """Return how many events a stream has had; 0 where there is none."""
    answer = server.client.get(f"api/sse/streams/{name}")
    return answer.json()["events"] if answer.status_code == 200 else 0


@contextmanager
def curl(server: JupyterServer, path: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run curl with a login; it prints body and status of the answer."""
    command = ["curl", "-sN", "-w", "\n%{http_code}", "-H", "Content-Type: application/x-ndjson"]
    command += ["-H", f"Authorization: token {server.token}", *arguments, f"{server.url}{path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_events_are_read_while_the_body_is_still_being_sent(any_server: JupyterServer):
    sent = threading.Semaphore(0)

    def body() -> Iterator[bytes]:
        for number in range(5):
            yield b"%d\n" % number
            assert sent.acquire(timeout=TIMEOUT)

    def send() -> None:
        answers.append(any_server.client.post("sse/long-lived", content=body(), headers=LINES))

    answers: list[Any] = []
    thread = threading.Thread(target=send)
    with any_server.read("sse/long-lived@latest?wait=1") as reader:
        thread.start()
        for number in range(5):
            assert reader.values(1) == [number]
            assert not answers
            sent.release()
    thread.join(TIMEOUT)
    assert (answers[0].status_code, answers[0].json()["count"]) == (201, 5)


def test_curl_is_a_producer_for_as_long_as_it_runs(server: JupyterServer):
    with (
        curl(server, "sse/curl", "-X", "POST", "-T", "-") as process,
        server.read("sse/curl?wait=1") as reader,
    ):
        for number in range(3):
            process.stdin.write(b'{"n": %d}\n' % number)
            process.stdin.flush()
            assert reader.values(1) == [{"n": number}]
        process.stdin.close()
        body, _, status = process.stdout.read().decode().rpartition("\n")
    assert (status, json.loads(body)["count"]) == ("201", 3)


def memory(server: JupyterServer) -> int:
    """Return the most that the server's process has ever held in memory, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def repeated(block: bytes, total: int) -> Iterator[bytes]:
    """Yield ``total`` bytes of whole blocks."""
    piece = block * (MEGABYTE // len(block))
    for _ in range(total // len(piece)):
        yield piece


@pytest.mark.parametrize(
    ("headers", "block", "has_length"),
    [
        (LINES, b'{"loss": 0.123456789, "text": "%s"}\n' % (b"x" * 200), False),
        (EVENTS, b"event: a\ndata: " + b"x" * 200 + b"\n\n", True),
    ],
    ids=["lines in chunks", "events of a known length"],
)
def test_memory_is_bounded_whatever_the_length_of_a_body(headers: dict[str, str], block: bytes, has_length: bool):
    running = JupyterServer("--SSEApp.history_bytes=1000000", "--SSEApp.live_window_bytes=1000000").start()
    try:
        running.client.post("sse/warm", content=b"".join(repeated(block, 3 * MEGABYTE)), headers=headers)
        before = memory(running)
        pieces = list(repeated(block, 300 * MEGABYTE))
        length = {"Content-Length": str(sum(map(len, pieces)))} if has_length else {}
        answer = running.client.post("sse/huge", content=iter(pieces), headers={**headers, **length}, timeout=300)
        assert answer.status_code == 201
        assert answer.json()["count"] == sum(map(len, pieces)) // len(block)
        assert memory(running) - before < 20 * MEGABYTE
    finally:
        running.stop()


@pytest.mark.parametrize("length", [None, 1 << 40], ids=["chunks", "length"])
def test_bad_line_is_answered_while_its_sender_goes_on(server: JupyterServer, length: int | None):
    name = f"bad-line-{length}"
    sender = Sender(server, f"sse/{name}", length)
    sender.send(b'1\n2\n{"a"\n4\n')
    status, refusal = sender.answer()
    assert (status, refusal["reason"], refusal["line"], refusal["count"]) == (400, "body", 3, 2)
    assert refusal["message"].startswith('line 3: expected one JSON value, got "{\\"a\\""')
    assert sender.response.headers["Connection"] == "close"
    sender.send(b"5\n" * 100_000)
    assert held(server, name) == 2


def test_sender_that_reads_no_answer_before_its_end_gets_it_then(server: JupyterServer):
    sender = Sender(server, "sse/deaf", 20 * MEGABYTE)
    sender.send(b"1\n{\n" + b"3\n" * (10 * MEGABYTE - 2))
    status, refusal = sender.end()
    assert (status, refusal["line"], refusal["count"]) == (400, 2, 1)


@pytest.mark.parametrize("token", [None, "wrong"], ids=["bad line", "no login"])
def test_short_rest_of_a_refused_body_that_never_comes_is_not_waited_for(server: JupyterServer, token: str | None):
    headers = {} if token is None else {"Authorization": f"token {token}"}
    sender = Sender(server, "sse/never", 60_000, **headers)
    below = sender.connection.sock
    sender.send(b"{\n")
    assert below.recv(65536).startswith(b"HTTP/1.1 400 " if token is None else b"HTTP/1.1 403 ")
    while below.recv(65536):
        pass


@pytest.mark.parametrize("ends", [True, False], ids=["ended", "left open"])
def test_connection_of_a_refused_body_is_closed_in_time(server: JupyterServer, ends: bool):
    sender = Sender(server, "sse/lingering")
    below = sender.connection.sock
    sender.send(b"{\n")
    # The answer is read by hand: http.client would close the connection where it is told to.
    answer = below.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    if ends:
        below.send(b"0\r\n\r\n")
    while below.recv(65536):
        pass


def test_sender_that_says_nothing_is_asked_whether_it_is_there():
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as sender,
    ):
        keep_alive(sender)
        assert sender.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
    left, right = socket.socketpair()
    with left, right:
        keep_alive(left)


def test_short_refused_body_leaves_the_connection_open(server: JupyterServer):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    headers = {**LINES, "Authorization": f"token {server.token}"}
    for body, status in [(b"{", 400), (b"1", 201), (b"", 201), (b"]", 400), (b"2", 201)]:
        connection.request("POST", f"{server.base_url}sse/kept", body, headers)
        answer = connection.getresponse()
        assert answer.status == status
        assert "close" not in answer.headers.get("Connection", "").lower()
        answer.read()
        assert connection.sock is not None
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["-H", "Authorization: token wrong"], "403"),
        (["-H", "Content-Type: text/plain"], "415"),
        (["-H", "SSE-Producer: p"], "400"),
    ],
)
@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_curl_reads_why_its_large_body_is_refused(
    server: JupyterServer, tmp_path: Path, arguments: list[str], status: str, expect: str
):
    large = tmp_path / "large"
    large.write_bytes(b"1\n" * 10 * MEGABYTE)
    with curl(server, "sse/refused", "-H", expect, "--data-binary", f"@{large}", *arguments) as process:
        body, _, got = process.stdout.read().decode().rpartition("\n")
    assert got == status
    assert json.loads(body)["message"]


def test_sender_that_goes_away_leaves_what_was_whole(server: JupyterServer):
    for headers, body in [(LINES, b"1\n2\n3"), (EVENTS, b"data: 1\n\ndata: 2\n\ndata: 3\n")]:
        name = f"gone-{headers['Content-Type'].rpartition('/')[2]}"
        sender = Sender(server, f"sse/{name}", **headers)
        sender.send(body)
        wait_until(lambda name=name: held(server, name) == 2, "two events are published")
        sender.cut()
        server.publish(name, 4)
        with server.read(f"sse/{name}") as reader:
            assert reader.values(3) == [1, 2, 4]


def test_body_that_was_cut_is_sent_again_and_only_its_rest_is_published(server: JupyterServer):
    numbered = {"SSE-Producer": "a-uuid", "SSE-Sequence": "1"}
    sender = Sender(server, "sse/again", **numbered)
    sender.send(b"1\n2\n3\n4")
    wait_until(lambda: held(server, "again") == 3, "three events are published")
    sender.cut()
    first = server.client.post("sse/again", content=b"1\n2\n3\n4\n5\n", headers={**LINES, **numbered})
    assert (first.status_code, first.json()["count"], first.json()["duplicates"]) == (201, 2, 3)
    second = server.client.post("sse/again", content=b"1\n2\n3\n4\n5\n", headers={**LINES, **numbered})
    assert (second.status_code, second.json()["count"], second.json()["duplicates"]) == (200, 0, 5)
    assert second.json()["positions"] == first.json()["positions"]
    with server.read("sse/again") as reader:
        events = reader.take(5)
    assert [event.data for event in events] == ["1", "2", "3", "4", "5"]
    assert [event.id for event in events] == first.json()["positions"]


def test_retry_while_the_first_connection_still_delivers_publishes_each_event_once(server: JupyterServer):
    numbered = {"SSE-Producer": "impatient", "SSE-Sequence": "1"}
    slow, retry = (Sender(server, "sse/twice", **numbered) for _ in range(2))
    for number in range(1, 50):
        for sender in (slow, retry) if number % 2 else (retry, slow):
            sender.send(b"%d\n" % number)
    counts = [sender.end()[1] for sender in (slow, retry)]
    assert sum(told["count"] for told in counts) == 49
    with server.read("sse/twice") as reader:
        assert reader.values(49) == list(range(1, 50))


def test_numbers_that_were_left_out_are_announced_to_readers(server: JupyterServer):
    def post(number: int, body: bytes) -> Any:
        headers = {**LINES, "SSE-Producer": "lossy", "SSE-Sequence": str(number)}
        return server.client.post("sse/left-out", content=body, headers=headers)

    post(1, b"1\n2\n")
    with server.read("sse/left-out") as reader:
        assert reader.values(2) == [1, 2]
        told = post(10, b"10\n")
        assert (told.status_code, told.json()["count"], told.json()["lost"]) == (201, 1, 7)
        gap, event = reader.take(2)
    assert (gap.event, event.data) == ("sse.gap", "10")
    told = json.loads(gap.data)
    assert (told["reason"], told["lost"]["count"]) == ("overflow", 7)
    late = post(5, b"5\n")
    assert (late.status_code, late.json()["reason"]) == (409, "sequence")
    assert "event 11" in late.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"SSE-Producer": "p"},
        {"SSE-Sequence": "1"},
        {"SSE-Producer": "", "SSE-Sequence": "1"},
        {"SSE-Producer": "p" * 129, "SSE-Sequence": "1"},
        {"SSE-Producer": "p", "SSE-Sequence": "-1"},
        {"SSE-Producer": "p", "SSE-Sequence": "1_0"},
        {"SSE-Producer": "p", "SSE-Sequence": "9007199254740993"},
        {"SSE-Producer": "p", "SSE-Sequence": "1.0"},
    ],
    ids=str,
)
def test_bad_number_of_an_event_is_refused(server: JupyterServer, headers: dict[str, str]):
    answer = server.client.post("sse/numbered", content=b"1\n", headers={**LINES, **headers})
    assert (answer.status_code, answer.json()["reason"]) == (400, "header")
    assert "expected" in answer.json()["message"]


def test_stream_that_is_ended_stops_the_post_that_writes_it(server: JupyterServer):
    sender = Sender(server, "sse/stopped-post")
    sender.send(b"1\n")
    wait_until(lambda: held(server, "stopped-post") == 1, "the event is published")
    assert server.client.delete("api/sse/streams/stopped-post").status_code == 204
    sender.send(b"2\n3\n")
    status, refusal = sender.answer()
    assert (status, refusal["reason"], refusal["count"]) == (409, "ended", 1)
    assert server.publish("stopped-post", 4)[0].endswith("-2")


def test_kernel_that_takes_a_stream_stops_the_post_that_writes_it(server: JupyterServer):
    sender = Sender(server, "sse/taken-over")
    sender.send(b"1\n")
    wait_until(lambda: held(server, "taken-over") == 1, "the event is published")
    link = Link(server.link_path, "pid-1", "cell 1")
    try:
        link.open("taken-over", "run", timeout=10.0)
        sender.send(b"2\n")
        status, refusal = sender.answer()
    finally:
        link.close()
    assert (status, refusal["reason"], refusal["count"]) == (409, "owned", 1)
    assert "cell 1" in refusal["message"]


def test_fast_body_leaves_the_server_to_others(server: JupyterServer):
    is_over = threading.Event()

    def send() -> None:
        pieces = repeated(b"1\n", 10 * MEGABYTE)
        server.client.post("sse/fast", content=pieces, headers=LINES, timeout=300)
        is_over.set()

    thread = threading.Thread(target=send)
    thread.start()
    answered = 0
    wait_until(lambda: held(server, "fast") > 0, "the body is being published")
    while not is_over.is_set():
        assert server.client.get("api/sse/streams").status_code == 200
        answered += 1
    thread.join()
    assert answered >= 3
