"""``EventStreamHandler`` in an application of Tornado that knows no Jupyter: what every reader can rely on."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import httpx_sse
import pytest
from clients.event_source import OPEN, NodeEventSource, note
from clients.record import Record
from e2e.browser import chromium
from running_server import TIMEOUT, Reader, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = Path(__file__).with_name("stream_app.py")


class App:
    """The application, in a process of its own."""

    token = ""

    def __init__(self, folder: Path, *certificate: Path) -> None:
        self.port = free_port()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}/"
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, APP, str(self.port), *certificate], stdout=log, stderr=subprocess.STDOUT
            )
        self.client = httpx.Client(base_url=self.url, timeout=TIMEOUT, verify=not certificate)
        wait_until(self.answers, f"the application answers; its log: {self.log()}")

    def answers(self) -> bool:
        try:
            return self.client.get("marks").status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        return self.log_path.read_text()

    def marks(self) -> dict[str, float]:
        return self.client.get("marks").json()["marks"]

    def stop(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    started = App(tmp_path_factory.mktemp("app"))
    yield started
    started.stop()


def curl(app: App, path: str, *arguments: str) -> str:
    """Return all that curl prints of an answer, its head included."""
    command = ["curl", "--silent", "--no-buffer", "--include", "--max-time", "20", *arguments, f"{app.url}{path}"]
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False).stdout.decode()


@contextmanager
def raw_connection(app: App, path: str) -> Iterator[socket.socket]:
    """A connection that has asked for a stream and reads nothing by itself."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(TIMEOUT)
        connection.connect(("127.0.0.1", app.port))
        connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        yield connection


def end_in(text: str) -> dict[str, Any]:
    """Return what the ``sse.end`` at the end of a stream says."""
    found = re.search(r"\n\nevent: sse\.end\nid: [0-9A-Za-z]{11}-end-1\ndata: (.*)\n\n$", text)
    assert found, text
    return json.loads(found[1])


def test_application_loads_neither_jupyter_server_nor_ipython(app: App):
    assert app.client.get("marks").json()["modules"] == []


def test_curl_gets_the_events_their_ids_and_types_then_the_end(app: App):
    head, _, body = curl(app, "numbers").partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 ")
    for line in (
        "Content-Type: text/event-stream; charset=utf-8",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "Connection: close",
    ):
        assert line in head
    blocks = body.split("\n\n")
    assert re.fullmatch(r"retry: \d+", blocks[0])
    assert blocks[1:6] == [f'event: number\nid: {n}\ndata: {{"number":{n}}}' for n in range(1, 6)]
    assert end_in(body) == {"stream": "/numbers", "reason": "done", "status": None, "error": None}


def test_body_ends_with_the_connection_and_is_neither_chunked_nor_compressed(app: App):
    with raw_connection(app, "numbers") as connection:
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert b"Content-Encoding" not in head
    assert b"Content-Length" not in head
    assert body.startswith(b"retry: ")
    assert body.endswith(b"\n\n")


def test_httpx_reads_the_same_events(app: App):
    with httpx_sse.connect_sse(app.client, "GET", "numbers") as source:
        # The package takes the block with `retry:` for an event without data.
        events = [(event.event, event.id, event.data) for event in source.iter_sse() if event.data]
    assert events[:-1] == [("number", str(n), f'{{"number":{n}}}') for n in range(1, 6)]
    assert events[-1][0] == "sse.end"


def test_reader_that_has_seen_the_end_gets_204(app: App):
    end_id = re.search(r"id: (\w+-end-1)", curl(app, "numbers"))[1]
    for answer in (
        app.client.get("numbers", headers={"Last-Event-ID": end_id}),
        app.client.get("numbers", params={"last_event_id": end_id}),
        app.client.head("numbers", headers={"Last-Event-ID": end_id}),
    ):
        assert (answer.status_code, answer.content) == (204, b"")


def test_nodes_eventsource_stops_after_the_end_of_the_generator(app: App, tmp_path: Path):
    with NodeEventSource(app, f"{app.url}headed", tmp_path / "none.pem") as program:
        wait_until(lambda: program.record.is_over, "it is closed")
    assert program.record.connections == 1
    assert [event.type for event in program.record.events] == ["message", "sse.end"]


def test_browsers_eventsource_comes_back_with_its_id_and_stops_after_the_end(app: App):
    """Every connection lasts 0.3 s at most; what it misses it gets by its id, and the 204 stops it."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{app.url}marks")
        assert note_until(page, f"{app.url}headed", lambda record: record.is_over).connections == 1
        aged = note_until(page, f"{app.url}aged", lambda record: record.connections >= 3 and len(record.events) > 30)
    numbers = aged.numbers()
    assert numbers == list(range(1, len(numbers) + 1))


def note_until(page: Any, url: str, condition: Any) -> Record:
    """Open an EventSource in a page; return what it got when the condition is true."""
    record = Record()
    page.evaluate(OPEN, url)

    def poll() -> bool:
        for said in page.evaluate("() => said.splice(0)"):
            note(record, said)
        return condition(record)

    wait_until(poll, f"the page has read {url}: {record!r:.500}")
    page.evaluate("() => source.close()")
    return record


def test_returning_reader_goes_on_after_the_id_that_it_brings(app: App):
    for options in ({"headers": {"Last-Event-ID": "3"}}, {"params": {"last_event_id": "3"}}):
        with httpx_sse.connect_sse(app.client, "GET", "numbers", **options) as source:
            assert [event.id for event in source.iter_sse() if event.event == "number"] == ["4", "5"]


def test_http_error_before_the_first_event_is_the_status_with_json_and_headers(app: App):
    answer = app.client.get("refusing/429")
    assert answer.status_code == 429
    assert answer.json() == {"message": "Too many connections", "reason": "too-many-requests"}
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["Content-Type"] == "application/json"
    answer = app.client.get("refusing/401")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "Traceback" not in app.log().partition("refusing")[2].partition("GET /")[0]


def test_error_before_the_first_event_is_500_without_traceback_and_logged_with_it(app: App):
    answer = app.client.get("failing/before?token=hidden")
    assert answer.status_code == 500
    assert answer.json() == {"message": "KeyError: 'a secret place'", "reason": "internal-server-error"}
    wait_until(lambda: "in events\n    raise KeyError" in app.log(), "the log has the traceback")
    assert "Error in GET /failing/before\n" in app.log()


def test_error_after_the_first_event_is_an_end_with_type_and_message(app: App):
    text = curl(app, "failing/after")
    assert "data: first\n\n" in text
    end = end_in(text)
    assert (end["reason"], end["status"]) == ("error", None)
    assert end["error"] == {"type": "KeyError", "message": "'a secret place'"}
    assert "Traceback" not in text
    wait_until(lambda: "Error in GET /failing/after\n" in app.log(), "the log has it")


def test_http_error_after_the_first_event_is_an_end_that_says_refused(app: App):
    end = end_in(curl(app, "failing/refused"))
    assert (end["reason"], end["status"]) == ("refused", 403)
    assert end["error"] == {"type": "HTTPError", "message": "no longer"}


def test_headers_can_be_set_before_the_first_event_and_no_cookie_goes_with_a_stream(app: App):
    head = curl(app, "headed").partition("\r\n\r\n")[0]
    assert "X-Run: 17" in head
    assert "Set-Cookie" not in head


def test_value_that_cannot_be_sent_raises_at_the_line_that_yielded(app: App):
    text = curl(app, "strict")
    line = 1 + APP.read_text().splitlines().index('            yield b"bytes"')
    assert f'data: {{"caught":"EncodeError","line":{line}}}\n\n' in text
    assert end_in(text)["error"]["type"] == "EncodeError"


@pytest.mark.alone
@pytest.mark.parametrize("when", ["before", "after"])
def test_finally_runs_within_a_second_when_the_reader_of_a_waiting_generator_goes(app: App, when: str):
    with raw_connection(app, f"waiting/{when}") as connection:
        if when == "after":
            assert b"HTTP/1.1 200" in connection.recv(65536)
        wait_until(lambda: f"waits {when}" in app.marks(), "the generator waits")
        left = time.time()
    wait_until(lambda: f"cleaned up {when}" in app.marks(), "its finally has run")
    assert app.marks()[f"cleaned up {when}"] - left < 1


@pytest.mark.alone
def test_generator_rests_while_its_reader_takes_nothing_and_ends_when_it_goes(app: App):
    with raw_connection(app, "many"):
        looks: list[float] = []

        def rests() -> bool:
            looks.append(app.marks().get("yielded", 0))
            return looks[-1] > 0 and looks[-20:] == [looks[-1]] * 20

        wait_until(rests, "the generator rests")
        assert looks[-1] < 10_000
        left = time.time()
    wait_until(lambda: app.marks().get("many cleaned up", 0) >= left, "its finally has run")
    assert app.marks()["many cleaned up"] - left < 1


def test_reader_that_takes_nothing_for_the_stall_timeout_is_disconnected(app: App):
    begun = time.time()
    with raw_connection(app, "many/stalling"):
        wait_until(lambda: app.marks().get("many cleaned up", 0) >= begun, "the generator has ended")


def test_generator_that_never_waits_lets_others_have_their_turn(app: App):
    with subprocess.Popen(["curl", "--silent", f"{app.url}tiny"], stdout=subprocess.DEVNULL) as reader:
        wait_until(lambda: "tiny" in app.marks(), "the generator has begun")
        looks = {app.marks()["tiny"] for _ in range(10)}
        reader.terminate()
    assert len(looks) > 5
    assert max(looks) < 999_999


def test_head_of_a_silent_generator_waits_no_longer_than_the_head_timeout(app: App):
    with Reader(app.client, "slow") as reader:
        chunk = next(reader._chunks)
        assert chunk.startswith(b"retry: ")
        assert b"late" not in chunk
        assert reader.take(1)[0].data == "late"


def test_silence_is_broken_by_keep_alives(app: App):
    with raw_connection(app, "silent") as connection:
        received = b""
        while received.count(b": ping\n\n") < 3:
            received += connection.recv(65536)


def test_readers_are_told_different_reconnection_times_around_the_middle(app: App):
    told = set()
    for _ in range(12):
        with Reader(app.client, "silent") as reader:
            told.add(int(re.search(rb"retry: (\d+)\n", next(reader._chunks))[1]))
    assert len(told) > 3
    assert all(500 <= time_in_ms <= 1500 for time_in_ms in told)


def test_head_request_answers_as_get_would_without_running_the_generator(app: App):
    before = app.marks()
    answer = app.client.head("waiting/head")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert app.marks() == before


def test_post_that_asks_for_a_stream_gets_one(app: App):
    assert "data: two\n\n" in curl(app, "posted", "--data", "one two")


def test_method_without_a_stream_is_refused_in_json(app: App):
    answer = app.client.delete("numbers")
    assert (answer.status_code, answer.json()["reason"]) == (405, "method-not-allowed")


def test_events_that_is_no_generator_is_said_in_the_log(app: App):
    assert app.client.get("none").status_code == 500
    wait_until(lambda: "expected NoGenerator.events to be an async generator" in app.log(), "the log says so")


def test_stream_over_tls_is_the_same(tmp_path: Path, certificate: tuple):
    certfile, keyfile, _ = certificate
    app = App(tmp_path, certfile, keyfile)
    try:
        text = curl(app, "numbers", "--cacert", str(certfile.with_name("authority.pem")))
        assert end_in(text)["reason"] == "done"
        assert text.count("event: number") == 5
        with app.client.stream("GET", "waiting/after") as response:
            next(response.iter_raw())
        wait_until(lambda: "cleaned up after" in app.marks(), "its finally has run")
    finally:
        app.stop()


def test_close_event_streams_runs_every_finally_and_readers_see_no_end_event(tmp_path: Path):
    app = App(tmp_path)
    with app.client.stream("GET", "waiting/after") as response:
        chunks = response.iter_raw()
        received = next(chunks)
        wait_until(lambda: "waits after" in app.marks(), "the generator waits")
        app.process.send_signal(signal.SIGTERM)
        received += b"".join(chunks)
    assert b"data: first" in received
    assert b"sse.end" not in received
    assert app.process.wait(TIMEOUT) == 0
    assert "closed 1 ['cleaned up after']" in app.log()
