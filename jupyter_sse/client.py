"""This process's way to the hub that holds its streams: found, linked, and closed at the end.

One client serves a process, and every thread of it. Where no Jupyter server with jupyter_sse is around (VS Code,
``jupyter console``, papermill, a plain program) the process runs a hub of its own, so that all works but the browser.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import logging
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_sse._rust import Hub, Link
from jupyter_sse.life import stop_all
from jupyter_sse.loop import LoopThread
from jupyter_sse.outage import Outage
from jupyter_sse.place import KERNEL_VARIABLE, Place, find_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_sse._rust import Producer
    from jupyter_sse.display import Pictures
    from jupyter_sse.origin import Origin
    from jupyter_sse.route import Route
    from jupyter_sse.run import Run
    from jupyter_sse.stream import Stream
    from jupyter_sse.visit import Visit

ALONE = (
    "jupyter_sse: no Jupyter server with jupyter_sse is around. Streams work within this process: sse.subscribe, "
    "to_pandas and the picture below the cell; browsers and curl cannot read them."
)

CONFIRM_TIMEOUT = 1.0
FLUSH_TIMEOUT = 2.0
UNATTENDED_TIMEOUT = 10.0
_PRESSED_INTERVAL = 0.05


class Owner(Protocol):
    """What feeds a stream, and is told what the hub has to say to it. Called from the client's own thread.

    Attributes:
        origin: the cell that started it.
    """

    origin: Origin

    def stop_requested(self) -> None:
        """Somebody wants the producer to stop."""

    def refused(self, message: str) -> None:
        """The hub does not take the producer's events: it was opened unconfirmed, or the hub was started anew."""

    def process_ends(self) -> None:
        """This process is about to end: say so to the hub."""

    def forked(self) -> None:
        """Called in a forked child: what is open belongs to the parent."""


@dataclass
class Answer:
    """What the hub answered: an HTTP status and the JSON body."""

    status: int
    body: Any


class Client:
    """The link of this process, and what it feeds.

    Attributes:
        place: where the hub is and who we are.
        link_path: the socket of the hub, be it the server's or our own.
        is_alone: there is no server; the hub runs in this process.
        has_announced: that was said, or need not be.
        runs: the runs of this process that have not ended, by stream.
        streams: what ``jupyter_sse.stream`` has made and nobody has closed, by name.
        routes: what ``per_subscriber`` has opened and nobody has stopped, by their patterns' families.

    Threads: every method may be called from any thread.
    """

    def __init__(self, place: Place, hub_options: Mapping[str, Any] | None = None) -> None:
        self.place = place
        self.is_alone = place.link_path is None
        self.runs: dict[str, Run] = {}
        self.streams: dict[str, Stream] = {}
        self.routes: dict[str, Route] = {}
        self._pid = os.getpid()
        self._is_closed = False
        self.has_announced = False
        self._folder: str | None = None
        self._files: set[Path] = set()
        self._hub = self._start_hub(hub_options or {}) if self.is_alone else None
        self.link_path: str = place.link_path or self._hub.link_path
        self.link = Link(self.link_path, place.kernel, place.label)
        self.loop_thread = LoopThread()
        # Guards the three below. Nothing is called while it is held.
        self._lock = threading.Lock()
        self._owners: dict[int, Owner] = {}
        self._opening = 0
        self._early: dict[int, list[tuple[str, list[Any]]]] = {}
        os.environ[KERNEL_VARIABLE] = f"{place.kernel}:{self.link_path}"
        threading.Thread(target=self._obey, name="jupyter_sse commands", daemon=True).start()

    @functools.cached_property
    def pictures(self) -> Pictures:
        """What keeps the pictures of this process's views up to date."""
        # Programs that show nothing need not load it.
        from jupyter_sse.display import Pictures

        return Pictures(self)

    def _start_hub(self, options: Mapping[str, Any]) -> Hub:
        return Hub(link_path=str(Path(self.private_folder(), "hub.sock")), **options)

    def private_folder(self) -> str:
        """Return a folder that only this user can enter; it goes when the process ends."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="jupyter_sse-")
        return self._folder

    def remove_at_end(self, path: Path) -> None:
        """Remove a file when the process ends."""
        self._files.add(path)

    def open(
        self, name: str, kind: str, options: Mapping[str, Any], owner: Owner, timeout: float = CONFIRM_TIMEOUT
    ) -> Producer:
        """Open a stream for writing, and wait for the hub's word.

        Args:
            name: the stream; of a route its pattern, of a visit its path.
            kind: "run" (a new run, ours alone), "send" (joins this kernel's run or starts one), "route" or "visit".
            options: history, ping_interval, view, origin; of a visit its number.
            owner: is told when somebody wants the producer to stop.
            timeout: seconds to wait; a refusal that comes later is told to the owner.

        Raises:
            OwnedError: another kernel owns the stream's run, or has the route.
            StreamNameError: the name is no name of a stream.
            ReaderGoneError: a visit's reader has left.
        """
        with self._lock:
            self._opening += 1
        try:
            producer = self.link.open(name, kind, json.dumps(options), timeout)
        except BaseException:
            with self._lock:
                self._opening -= 1
            raise
        with self._lock:
            self._opening -= 1
            self._owners[producer.key] = owner
            commands = self._early.pop(producer.key, [])
            if not self._opening:
                self._early.clear()
        for command in commands:
            _pass_on(owner, *command)
        return producer

    def release(self, producer: Producer) -> None:
        """Forget who owns a producer that has ended."""
        with self._lock:
            self._owners.pop(producer.key, None)

    def request(self, op: str, *, timeout: float = 5.0, **fields: object) -> Answer:
        """Ask the hub.

        Raises:
            LinkError: no answer in time.
        """
        status, body = self.link.request(json.dumps({"op": op, **fields}), timeout)
        return Answer(status, json.loads(body) if body else None)

    def announce(self, origin: Origin) -> None:
        """Say once, below the cell that starts something first, that there is no server."""
        if self.is_alone and not self.has_announced:
            self.has_announced = True
            origin.tell(ALONE)

    def stream_url(self, name: str) -> str | None:
        """Return the address of a stream; None where no server is linked."""
        server = self.link.server()
        url = json.loads(server).get("url") if server else None
        return f"{url.rstrip('/')}/sse/{name}" if url else None

    def child_place(self) -> Place:
        """Return where a forked child finds the hub: ours, under our name."""
        return replace(self.place, link_path=self.link_path)

    def forked(self) -> None:
        """Called in the child of a fork: what is open belongs to the parent."""
        # First of all: a method of the inherited link could wait for a lock that nobody here will ever release.
        self.link.abandon()
        _let_go_of_sockets(self.link_path)
        for owner in {*self._owners.values(), *(stream._feed for stream in self.streams.values())}:
            owner.forked()

    def _obey(self) -> None:
        """Pass on what the hub has to say, until the link is closed."""
        outage = Outage(self._tell)
        while True:
            patience = outage.seconds_left()
            command = self.link.next_command(patience)
            if command is None and (patience is None or self._is_closed):
                return
            try:
                self._do(command, outage)
            except Exception:
                # Such as a closed stderr. The next stop must be obeyed all the same.
                logging.getLogger("jupyter_sse").exception("what the hub said could not be passed on: %r", command)

    def _do(self, command: tuple[Any, ...] | None, outage: Outage) -> None:
        match command:
            case None:
                outage.tell_of_it()
            case ("stop" | "refused" | "begin" | "credit" as kind, key, *details):
                self._pass_on(kind, key, details)
            case ("unlinked", reason):
                outage.begin(reason)
            case ("linked",):
                outage.end()
            case ("lost", _key, count):
                outage.lose(count)

    def _pass_on(self, kind: str, key: int, details: list[Any]) -> None:
        with self._lock:
            owner = self._owners.get(key)
            if owner is None and self._opening:
                # It may be for the stream that another thread is opening just now.
                self._early.setdefault(key, []).append((kind, details))
        if owner is not None:
            _pass_on(owner, kind, details)

    def _tell(self, text: str) -> None:
        """Say something below the cell that was the last to open a stream, if there is one that is open."""
        with self._lock:
            owner = next(reversed(self._owners.values()), None)
        if owner is not None:
            owner.origin.tell(f"jupyter_sse: {text}")

    def close(self) -> None:
        """End what this process feeds, send what is still queued, for at most two seconds, and close the link."""
        # A forked child inherits what its parent has registered to be done at exit.
        if self._pid != os.getpid() or self._is_closed:
            return
        self._is_closed = True
        self.end_runs()
        with self._lock:
            owners = list(self._owners.values())
        for owner in owners:
            owner.process_ends()
        self.link.close(FLUSH_TIMEOUT)
        if self._hub is not None:
            self._hub.close()
        for path in self._files:
            path.unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if os.environ.get(KERNEL_VARIABLE, "").endswith(f":{self.link_path}"):
            del os.environ[KERNEL_VARIABLE]

    def end_runs(self) -> None:
        """Stop all runs and routes of this process, because it ends.

        The runs of a program that runs notebooks get up to ten seconds to end by themselves.
        """
        runs = list(self.runs.values())
        if self.is_alone and any(run.origin.is_unattended for run in runs):
            # A program that runs a notebook ends its kernel after the last cell, whose run may have just begun.
            _wait_until_pressed(runs, UNATTENDED_TIMEOUT)
        self.stop_runs()

    def stop_runs(self) -> None:
        """Stop all runs and routes of this process, and wait for each ``finally``, five seconds at most."""
        routes = list(self.routes.values())
        for route in routes:
            route.close()
        stop_all([*self.runs.values(), *(visit for route in routes for visit in route.lives)])
        for route in routes:
            route.leave()


def _wait_until_pressed(runs: list[Run], timeout: float) -> None:
    """Wait for the end of runs, but no longer than whoever ends this process has patience: until SIGTERM comes."""
    is_pressed = threading.Event()
    try:
        before = signal.signal(signal.SIGTERM, lambda *_: is_pressed.set())
    except ValueError:
        # Not in the main thread. Then nobody can tell us.
        before = None
    deadline = time.monotonic() + timeout
    while not is_pressed.is_set() and time.monotonic() < deadline:
        # Neither wait can be woken by the other, and no thread can be started any more that would do it.
        if all(run.wait(0) for run in runs):
            break
        is_pressed.wait(_PRESSED_INTERVAL)
    if before is not None:
        signal.signal(signal.SIGTERM, before)


def _pass_on(owner: Owner | Route | Visit, kind: str, details: list[Any]) -> None:
    match kind:
        case "stop":
            owner.stop_requested()
        case "refused":
            owner.refused(*details)
        case "begin":
            owner.begin(*details)
        case "credit":
            owner.credited()


class _Process:
    """The client of this process, which there is one of: module-level functions have nobody to hand it to them."""

    def __init__(self) -> None:
        # Guards the making of the client.
        self.lock = threading.Lock()
        self.client: Client | None = None
        # What a fork has copied is neither used nor dropped: its threads are not here.
        self.inherited: list[Client] = []

    def forked(self) -> None:
        self.lock = threading.Lock()
        if self.client is not None:
            self.inherited.append(self.client)
            self.client.forked()
            self.client = None


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forked)


def client() -> Client:
    """Return this process's client, made at the first call."""
    with _process.lock:
        if _process.client is None:
            inherited = _process.inherited[-1] if _process.inherited else None
            place = find_place(os.environ) if inherited is None else inherited.child_place()
            _process.client = Client(place)
            atexit.register(_process.client.close)
            _close_at_child_end(_process.client)
        return _process.client


def exchange_client(other: Client | None) -> Client | None:
    """Let this process have another client, for tests; return the one it had. Neither is closed."""
    with _process.lock:
        before, _process.client = _process.client, other
        return before


def current_client() -> Client | None:
    """Return this process's client, if anything has needed one so far."""
    return _process.client


def _let_go_of_sockets(path: str) -> None:
    """Free a forked child of its parent's sockets at a hub's path: its readers', and the hub's where that is its own.

    As long as a copy of them is open somewhere, a parent that has died seems to listen, and to read. Their numbers are
    given to the null device, not back: what was copied of the hub's and the readers' memory still names them, and
    nothing of this process's own may ever stand there.
    """
    with contextlib.suppress(FileNotFoundError), Path(os.devnull).open("rb") as null:
        for descriptor in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode) and _is_at(descriptor, path):
                    os.dup2(null.fileno(), descriptor, inheritable=False)


def _is_at(descriptor: int, path: str) -> bool:
    """Say whether a socket listens at a path, came in by it, or was connected to it."""
    connection = socket.socket(fileno=descriptor)
    try:
        if connection.getsockname() == path:
            return True
        return connection.getpeername() == path
    finally:
        connection.detach()


def _close_at_child_end(client: Client) -> None:
    # A child process of multiprocessing may end without calling what atexit knows.
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, client.close, exitpriority=10)
