"""A curl command that reads a stream, run by a shell as a person would."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from running_server import TIMEOUT, wait_until

from jupyter_sse import Decoder

if TYPE_CHECKING:
    from jupyter_sse import ServerSentEvent


class Curl:
    """A running curl, and the events that it has printed. Use as a context manager.

    Attributes:
        command: As ``%sse url`` prints it.
        events: So far, in order.
    """

    def __init__(self, command: str) -> None:
        assert command.startswith("curl "), command
        self.command = command
        self.events: list[ServerSentEvent] = []
        self.received_bytes = 0

    def __enter__(self) -> Curl:
        self._process = subprocess.Popen(
            ["bash", "-c", self.command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._thread.join(TIMEOUT)
        self._process.wait(TIMEOUT)
        self._process.stdout.close()
        self._process.stderr.close()

    def _read(self) -> None:
        decoder = Decoder()
        while chunk := self._process.stdout.read1(65536):
            self.received_bytes += len(chunk)
            self.events += decoder.feed(chunk)

    def data(self) -> list[tuple[str, str]]:
        """Return id and data of the events that a stream's producer made, so far."""
        return [(event.id, event.data) for event in list(self.events) if not event.event.startswith("sse.")]

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        """Wait until at least ``count`` events of the producer have come; return them all."""
        wait_until(lambda: len(self.data()) >= count, f"{self.command} prints {count} events")
        return self.data()

    def wait_for_end(self, timeout: float = TIMEOUT) -> None:
        """Wait until curl ends by itself: the server has closed the stream."""
        self._process.wait(timeout)
        self._thread.join(TIMEOUT)
