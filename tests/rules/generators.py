"""A kernel that runs a generator for each reader of a route, by hand: its test says what they yield, and when."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from running_server import TIMEOUT

if TYPE_CHECKING:
    from concurrent.futures import Future

    from jupyter_sse._rust import Link, Producer
    from rules.reader import PlainReader
    from rules.site import Site

KERNELS = itertools.count(1)


YIELDS_ONE = """
import json, sys
from jupyter_sse._rust import Link

link = Link(sys.argv[1], "dying", "dying.ipynb")
route = link.open(sys.argv[2], "route", "{}", 20)
print("open", flush=True)
runs = []
while told := link.next_command():
    if told[0] == "begin":
        runs.append(link.open(json.loads(told[3])["path"], "visit", json.dumps({"visit": told[2]}), 20))
        runs[-1].send('"first"')
"""


class DyingKernel:
    """A process that yields one event to each reader of a route, until it is killed. Use as a context manager."""

    def __init__(self, site: Site, pattern: str) -> None:
        command = [sys.executable, "-c", YIELDS_ONE, site.server.link_path, pattern]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self) -> DyingKernel:
        assert self._process.stdout.readline() == b"open\n"
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self._process.stdout.close()

    def kill(self) -> None:
        """Let it die without a word."""
        self._process.kill()
        self._process.wait(TIMEOUT)


class Visit:
    """The run of one reader.

    Attributes:
        request: What its generator is told.
        producer: Sends what it yields.
    """

    def __init__(self, request: dict[str, Any], producer: Producer) -> None:
        self.request = request
        self.producer = producer

    def send(self, *values: Any) -> None:
        """Yield these."""
        for value in values:
            self.producer.send(json.dumps(value))

    def refuse(self, status: int, message: str, **headers: str) -> None:
        """Raise an ``HTTPError``."""
        error = {"type": "HTTPError", "message": message, "status": status, "headers": headers}
        self.producer.end("refused", json.dumps(error))


class Generators:
    """A route of a link of its own. Use as a context manager.

    Attributes:
        link: The link.
    """

    def __init__(self, site: Site, pattern: str, link: Link | None = None, **options: Any) -> None:
        self._site = site
        self.link = link or site.new_link(f"generators-{next(KERNELS)}")
        self._is_own = link is None
        self._route = self.link.open(pattern, "route", json.dumps(options), 20)
        self._pool = ThreadPoolExecutor()
        self._readers: list[PlainReader] = []

    def __enter__(self) -> Generators:
        return self

    def __exit__(self, *error: object) -> None:
        for reader in self._readers:
            reader.__exit__()
        self._route.end("done")
        self.link.flush(TIMEOUT)
        if self._is_own:
            self.link.close()
        self._pool.shutdown()

    def ask(self, path: str, **options: Any) -> Future[Any]:
        """Make a request that may wait for its answer; the path is below ``/sse``."""
        return self._pool.submit(self._site.server.client.get, f"sse{path}", **options)

    def connect(self, path: str, last_event_id: Any = None, **options: Any) -> Future[PlainReader]:
        """Connect a reader, whose head may wait."""
        reader = self._site.read(path, last_event_id, **options)
        self._readers.append(reader)
        return self._pool.submit(reader.__enter__)

    def command(self, *wanted: Any) -> tuple[Any, ...]:
        """Wait for a command that begins so, past others."""
        while True:
            told = self.link.next_command(TIMEOUT)
            assert told is not None, f"{wanted} expected, nothing came"
            if told[: len(wanted)] == wanted:
                return told

    def begin(self) -> Visit:
        """Open the run of the next reader that comes."""
        _, _, visit, text = self.command("begin", self._route.key)
        request = json.loads(text)
        return Visit(request, self.link.open(request["path"], "visit", json.dumps({"visit": visit}), 20))

    def visit(self, path: str, last_event_id: Any = None, **options: Any) -> tuple[PlainReader, Visit]:
        """Connect a reader, and yield ``"first"`` to it, which its head waits for."""
        connecting = self.connect(path, last_event_id, **options)
        visit = self.begin()
        visit.send("first")
        return connecting.result(TIMEOUT), visit

    def wait_until_stopped(self, visit: Visit) -> None:
        """Wait until the reader's leaving has come here."""
        self.command("stop", visit.producer.key)

    def end(self) -> None:
        """Take the route away."""
        self._route.end("done")
        assert self.link.flush(TIMEOUT)
