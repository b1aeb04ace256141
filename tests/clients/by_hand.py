"""Programs that read one connection: coming back, with the last event's id, is their user's matter."""

from __future__ import annotations

import subprocess
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import httpx
import httpx_sse
import sseclient
from rules.reader import Block

from clients.record import Received, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from running_server import JupyterServer

FIRST_WAIT = 0.05
"""Seconds between two connections, until the server has told its own time."""


class SeenEndError(Exception):
    """The answer was 204: there is nothing more to read."""


class UnreachableError(Exception):
    """There was no stream; try again."""


class ByHand(ABC):
    """Reads a stream in a thread, and comes back with the last id whenever the connection ends. A context manager."""

    def __init__(self, server: JupyterServer, url: str) -> None:
        self.record = Record()
        self.wait = FIRST_WAIT
        self.last_id = ""
        self._server = server
        self._url = url
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ByHand:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_stopped.set()
        self._thread.join(20)

    @abstractmethod
    def read(self, headers: dict[str, str]) -> Iterator[Received]:
        """Connect once and yield events until the connection ends.

        Raises:
            SeenEndError: The answer was 204.
            UnreachableError: There was no answer.
        """

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            headers = {"Authorization": f"token {self._server.token}"}
            if self.last_id:
                headers["Last-Event-ID"] = self.last_id
            try:
                for event in self.read(headers):
                    self.record.events.append(event)
            except SeenEndError:
                self.record.is_over = True
                return
            except UnreachableError:
                pass
            self._is_stopped.wait(self.wait)

    def let_in(self, status: int) -> None:
        """Look at the status of an answer."""
        if status == 204:
            raise SeenEndError
        if status != 200:
            raise UnreachableError(status)
        self.record.connections += 1

    def take(self, kind: str, own_id: str | None, data: str, retry: float | None) -> Iterator[Received]:
        """Yield what counts as an event, as the standard has it: a block without data is none, yet its id counts.

        The packages give what stands in the block and leave it at that.
        """
        if retry is not None:
            self.wait = retry / 1000
        self.last_id = own_id or self.last_id
        if data:
            yield Received(kind, self.last_id, data)


class HttpxSse(ByHand):
    """The package ``httpx-sse``."""

    def read(self, headers: dict[str, str]) -> Iterator[Received]:
        with httpx.Client(verify=self._server.verify, timeout=5) as client:
            try:
                with httpx_sse.connect_sse(client, "GET", self._url, headers=headers) as source:
                    self.let_in(source.response.status_code)
                    for event in source.iter_sse():
                        yield from self.take(event.event, event.id, event.data, event.retry)
            except httpx.TransportError as cause:
                raise UnreachableError from cause


class SseclientPy(ByHand):
    """The package ``sseclient-py``, over httpx."""

    def read(self, headers: dict[str, str]) -> Iterator[Received]:
        with httpx.Client(verify=self._server.verify, timeout=5) as client:
            try:
                with client.stream("GET", self._url, headers=headers) as response:
                    self.let_in(response.status_code)
                    for event in sseclient.SSEClient(response.iter_bytes()).events():
                        retry = None if event.retry is None else float(event.retry)
                        yield from self.take(event.event, event.id, event.data, retry)
            except httpx.TransportError as cause:
                raise UnreachableError from cause


class Curl(ByHand):
    """``curl -N``, whose output is the wire itself."""

    def __init__(self, server: JupyterServer, url: str, authority: Path) -> None:
        super().__init__(server, url)
        self._authority = authority
        self._process: subprocess.Popen[bytes] | None = None

    def __exit__(self, *error: object) -> None:
        self._is_stopped.set()
        if self._process is not None:
            self._process.terminate()
        super().__exit__(*error)

    def read(self, headers: dict[str, str]) -> Iterator[Received]:
        command = ["curl", "--no-buffer", "--silent", "--include", "--cacert", self._authority]
        for name, value in headers.items():
            command += ["--header", f"{name}: {value}"]
        with subprocess.Popen([*command, self._url], stdout=subprocess.PIPE) as self._process:
            yield from self._read(self._process.stdout.read1)

    def _read(self, receive: Callable[[int], bytes]) -> Iterator[Received]:
        text = b""
        while b"\r\n\r\n" not in text:
            if not (chunk := receive(65536)):
                raise UnreachableError
            text += chunk
        head, _, text = text.partition(b"\r\n\r\n")
        self.let_in(int(head.split(b" ")[1]))
        while True:
            while b"\n\n" in text:
                raw, _, text = text.partition(b"\n\n")
                block = Block.parse(raw)
                yield from self.take(block.event or "message", block.id, block.data or "", block.retry)
            if not (chunk := receive(65536)):
                # A block that was cut off is none, by the standard, and its id does not count.
                return
            text += chunk
