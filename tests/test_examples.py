"""The examples of ``docs/examples``: a server extension, installed by pip, and a plain application of Tornado."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from clients.event_source import NodeEventSource
from e2e.browser import chromium
from running_server import TIMEOUT, JupyterServer, free_port, wait_until

import jupyter_sse as sse

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLES = DOCS / "examples"

CONFIG = """
from jupyter_server.auth import Authorizer

class AsHeaderSays(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "contents" or action in handler.request.headers.get("X-May", "read").split()

c.ServerApp.authorizer_class = AsHeaderSays
c.ServerApp.allow_unauthenticated_access = False
c.ServerApp.jpserver_extensions = {"open_streams": True}
c.TailApp.interval = 0.02
"""

OPEN_STREAMS = """
import asyncio
from pathlib import Path
import jupyter_sse
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.extension.handler import ExtensionHandlerMixin
from jupyter_sse.server import EventStreamHandler

class Forgotten(EventStreamHandler):
    async def events(self):
        yield "for everybody"

class Public(Forgotten):
    is_public = True

class Lasting(Public):
    async def events(self, mark):
        try:
            yield "first"
            await asyncio.sleep(3600)
        finally:
            Path(self.settings["server_root_dir"], mark).touch()

class ByApi(EventStreamHandler, ExtensionHandlerMixin, APIHandler):
    async def events(self, what):
        if what == "refuse":
            raise jupyter_sse.HTTPError(429, "Too many")
        yield self.name

class App(ExtensionApp):
    name = "open_streams"
    def initialize_handlers(self):
        self.handlers += [("/forgotten", Forgotten), ("/public", Public), ("/lasting/(.+)", Lasting)]
        self.handlers += [("/by-api/(.+)", ByApi)]

def _jupyter_server_extension_points():
    return [{"module": "open_streams", "app": App}]
"""


@pytest.fixture(scope="module")
def tail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server into whose environment the example was installed by pip."""
    folder = tmp_path_factory.mktemp("tail")
    prefix = folder / "prefix"
    # pip builds in place, and would leave its traces in the clone.
    source = shutil.copytree(EXAMPLES / "tail_extension", folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--prefix", prefix, source], check=True, timeout=100)
    (site,) = prefix.glob("lib/python*/site-packages")
    (folder / "open_streams.py").write_text(OPEN_STREAMS)
    environment = {
        "PYTHONPATH": f"{site}{os.pathsep}{folder}",
        "JUPYTER_CONFIG_PATH": str(prefix / "etc" / "jupyter"),
    }
    running = JupyterServer(environment=environment, config=CONFIG, base_url="/user/ada/").start()
    (running.root / "train.log").write_text("one\ntwo\n")
    yield running
    running.stop()


def append(server: JupyterServer, text: str) -> None:
    with (server.root / "train.log").open("a") as log:
        log.write(text)


def test_installed_extension_streams_the_lines_of_a_file_as_they_are_written(tail: JupyterServer):
    with tail.read("tail/train.log?last_event_id=0") as reader:
        assert reader.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert "Set-Cookie" not in reader.response.headers
        assert [(event.data, event.id) for event in reader.take(2)] == [("one", "4"), ("two", "8")]
        append(tail, "thr")
        append(tail, "ee\nfour\n")
        assert [(event.data, event.id) for event in reader.take(2)] == [("three", "14"), ("four", "19")]


def test_reader_of_the_extension_goes_on_through_a_server_that_is_started_anew(tail: JupyterServer):
    (tail.root / "build.log").write_text("")
    got: list[str] = []

    def read() -> None:
        # The first attempt begins before anything is written.
        address = f"{tail.url}tail/build.log?last_event_id=0"
        for event in sse.subscribe(address, token=tail.token):
            got.append(event.data)
            if event.data == "last":
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with (tail.root / "build.log").open("a", buffering=1) as log:
        log.write("first\n")
        wait_until(lambda: got == ["first"], "the reader has the first line")
        tail.restart(signal.SIGTERM)
        log.write("while it was away\nlast\n")
        reader.join(TIMEOUT)
    assert got == ["first", "while it was away", "last"]


def test_file_that_becomes_shorter_is_told_and_read_from_its_beginning(tail: JupyterServer):
    file = tail.root / "short.log"
    file.write_text("a long line that goes\n")
    with tail.read("tail/short.log?last_event_id=0") as reader:
        reader.take(1)
        file.write_text("new\n")
        assert [(event.event, event.data) for event in reader.take(2)] == [
            ("truncated", "short.log"),
            ("message", "new"),
        ]


@pytest.mark.parametrize("path", ["missing.log", "..%2f..%2fetc%2fpasswd", ".hidden/x"])
def test_file_that_is_not_to_be_seen_is_404_in_json(tail: JupyterServer, path: str):
    answer = tail.client.get(f"tail/{path}")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "not-found"


def test_extensions_stream_needs_a_login_and_says_so_in_json(tail: JupyterServer):
    for method in ("GET", "HEAD"):
        answer = tail.make_client().request(method, "tail/train.log")
        assert answer.status_code == 403
    answer = tail.make_client().get("tail/train.log")
    assert answer.json()["reason"] == "login"


def test_extensions_stream_needs_jupyters_permission_for_its_resource(tail: JupyterServer):
    answer = tail.client.get("tail/train.log", headers={"X-May": "write"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "forbidden")


def test_cookie_alone_does_not_open_the_extensions_stream_for_another_site(tail: JupyterServer):
    browser = tail.make_client()
    assert browser.get("api/status", params={"token": tail.token}).status_code == 200
    assert browser.cookies
    assert browser.get("tail/train.log", headers={"Referer": "http://evil.example/"}).status_code == 403
    assert browser.get("tail/train.log", headers={"Origin": "http://evil.example"}).status_code == 404
    with tail.read("tail/train.log?last_event_id=0", browser, headers={"Referer": tail.url}) as reader:
        assert reader.take(1)[0].data == "one"


def test_handler_that_forgot_jupyters_login_is_refused_and_a_public_one_is_not(tail: JupyterServer):
    assert tail.make_client().get("forgotten").status_code == 500
    assert tail.client.get("forgotten").status_code == 500
    wait_until(lambda: "class Forgotten(EventStreamHandler, JupyterHandler)" in tail.log(), "the log says what to do")
    with tail.read("public", tail.make_client()) as reader:
        assert reader.take(1)[0].data == "for everybody"


def test_handler_may_have_jupyters_other_bases_too(tail: JupyterServer):
    with tail.read("by-api/stream") as reader:
        assert reader.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert reader.take(1)[0].data == "open_streams"
    answer = tail.client.get("by-api/refuse")
    assert (answer.status_code, answer.json()) == (429, {"message": "Too many", "reason": "too-many-requests"})
    assert tail.make_client().get("by-api/stream").json()["reason"] == "login"


def test_server_that_wants_a_login_everywhere_has_nothing_to_warn_of_the_example(tail: JupyterServer):
    assert "TailHandler" not in tail.log().partition("Extension endpoints without")[2]


def test_generators_of_extensions_are_ended_with_the_server(tmp_path: Path):
    (tmp_path / "open_streams.py").write_text(OPEN_STREAMS)
    config = 'c.ServerApp.jpserver_extensions = {"open_streams": True}'
    server = JupyterServer(environment={"PYTHONPATH": str(tmp_path)}, config=config).start()
    with server.read("lasting/cleaned-up", server.make_client()) as reader:
        assert reader.take(1)[0].data == "first"
        server.end(signal.SIGTERM)
        assert list(reader.events()) == []
    assert (server.root / "cleaned-up").exists()
    server.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


def test_clock_of_the_page_about_extensions_runs_as_it_stands():
    code = re.search(r"```python\n(.*?)```", (DOCS / "extensions.md").read_text(), re.DOTALL)[1]
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PORT": str(port)}) as process:
        url = f"http://127.0.0.1:{port}/"
        wait_until(lambda: answers(url), "the application answers")
        with httpx.stream("GET", f"{url}clock") as response:
            text = response.iter_text()
            received = ""
            while received.count('data: {"time":') < 2:
                received += next(text)
        process.terminate()


@pytest.fixture(scope="module")
def countdown() -> Iterator[str]:
    """The plain application; the value is its address."""
    port = free_port()
    process = subprocess.Popen([sys.executable, EXAMPLES / "plain_tornado.py", str(port)])
    url = f"http://127.0.0.1:{port}/"
    wait_until(lambda: answers(url), "the application answers")
    yield url
    process.terminate()
    assert process.wait(TIMEOUT) == 0


class Countdown:
    """What a program needs to know of where it reads."""

    token = ""


def test_page_of_the_plain_application_counts_down_in_a_browser_and_stops(countdown: str):
    with chromium() as browser:
        page = browser.new_page()
        asked: list[int] = []
        page.on("response", lambda answer: "countdown" in answer.url and asked.append(answer.status))
        page.goto(countdown)
        page.wait_for_function("Number(document.getElementById('left').textContent) < 10")
        page.wait_for_function("document.getElementById('left').textContent === 'done'")
        page.wait_for_function("source.readyState === EventSource.CLOSED")
    assert asked == [200, 204]


def test_nodes_eventsource_is_stopped_by_the_plain_applications_end(countdown: str, tmp_path: Path):
    with NodeEventSource(Countdown(), f"{countdown}countdown/0", tmp_path / "none.pem") as program:
        wait_until(lambda: program.record.is_over, "it is closed")
    assert [event.type for event in program.record.events] == ["sse.end"]


def test_curl_reads_the_plain_application(countdown: str):
    command = ["curl", "-sN", "-H", "Last-Event-ID: 2", f"{countdown}countdown/100"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout
    assert [json.loads(data)["seconds"] for data in re.findall(r"id: \d+\ndata: (.*)", text)] == [1, 0]


def test_plain_application_refuses_what_it_cannot_count(countdown: str):
    assert httpx.get(f"{countdown}countdown/4000").status_code == 400
    answer = httpx.get(f"{countdown}countdown/10", headers={"Last-Event-ID": "x"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad-request")
