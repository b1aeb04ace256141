"""Runs: one life of a generator that feeds a stream, from its first yield to its ``finally``."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_sse import failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_sse._rust import Producer
    from jupyter_sse.client import Client
    from jupyter_sse.display import View
    from jupyter_sse.namespace import RunNames
    from jupyter_sse.origin import Origin

COPY_INTERVAL = 0.2
FIRST_YIELD_TIMEOUT = 1.0
STOP_TIMEOUT = 5.0

# A generator that is about to yield gets the time to do so before the code between its yields is interrupted.
_INTERRUPT_AFTER = 0.1


class Source(Protocol):
    """What a run is a life of: a cell, or a generator function with its arguments."""

    def make(self) -> tuple[Any, RunNames | None]:
        """Make the generator, and the names that are its own. Called where the run takes place."""


class Run:
    """One life of a generator that feeds a stream: ``ThreadRun`` or ``TaskRun``, which drive it.

    Args:
        client: of this process.
        name: the stream.
        origin: the cell that starts it, to which its prints and errors go.
        source: makes the generator.

    Attributes:
        names: the names that are its own, if it is a cell.
        view: its picture under the cell, if there is one.
        number: of the run, where the hub has confirmed it.
        error: what the generator raised.

    Threads: every public method may be called from any thread.
    """

    def __init__(self, client: Client, name: str, origin: Origin, source: Source) -> None:
        self.name = name
        self.origin = origin
        self.names: RunNames | None = None
        self.view: View | None = None
        self.number: int | None = None
        self.error: BaseException | None = None
        self._client = client
        self._source = source
        self._predecessor: Run | None = None
        self._producer: Producer | None = None
        self._replaced_producer: Producer | None = None
        self._next_copy = 0.0
        self._is_stopping = False
        self._is_replaced = False
        self._has_first = threading.Event()
        self._is_settled = threading.Event()
        # Guards the four flags below, by which threads agree on who does what. No code of the user's runs under it.
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._is_ended = False
        self._is_enforced = False
        self._shows_error = False

    def open(self, options: Mapping[str, Any], predecessor: Run | None) -> None:
        """Open the stream, and wait for the hub's word.

        Args:
            options: for the hub.
            predecessor: the run of the same stream that this one replaces; it has been told to stop.

        Raises:
            OwnedError: another kernel owns the stream's run.
            StreamNameError: no stream can have this name.
        """
        try:
            self._producer = self._client.open(self.name, "run", options, self)
        finally:
            if predecessor is not None:
                predecessor.give_up_stream()
        self._predecessor = predecessor
        self.number = self._producer.run
        self._client.runs[self.name] = self

    def launch(self) -> None:
        """Let the generator run."""
        raise NotImplementedError

    def wait_for_first(self) -> None:
        """Wait for the first yield, the end or an error, at most one second; then the cell may return.

        Raises:
            BaseException: what the generator raised in that time. Later errors are shown, not raised.
        """
        with self._lock:
            if self._shows_error:
                return
        # A program that runs notebooks takes no output of a cell that has returned: it gets the second in full.
        moment = self._is_settled if self.origin.is_unattended else self._has_first
        try:
            moment.wait(FIRST_YIELD_TIMEOUT)
        except KeyboardInterrupt as interrupt:
            # The cell is interrupted while it waits: so is its run.
            self.stop()
            failure.hide_frames(interrupt, self.origin)
            raise
        with self._lock:
            self._shows_error = True
            error = self.error
        self._copy_out()
        if self.view is not None and self.origin.is_unattended:
            self.view.refresh()
        if error is not None:
            failure.mark(error, self.origin)
            raise error

    def let_go(self) -> None:
        """Let the cell return at once: errors are shown from the first on."""
        with self._lock:
            self._shows_error = True

    def stop_requested(self) -> None:
        """Begin to stop. Does not wait."""
        self.begin_stop()
        threading.Thread(target=self.stop, name=f"jupyter_sse stop {self.name}", daemon=True).start()

    def refused(self, message: str) -> None:
        """Stop: the hub does not take what is yielded."""
        self.origin.tell(f"The stream {self.name!r} is refused: {message}")
        self.stop_requested()

    def process_ends(self) -> None:
        """Stop: this process is about to end."""
        self.stop()

    def forked(self) -> None:
        """Called in a forked child, where the generator does not run."""

    def replace(self) -> None:
        """Stop for a new run of the same stream: its readers stay and see no end."""
        self._is_replaced = True
        self.stop()

    def give_up_stream(self) -> None:
        """End the stream's producer after ``replace``: where a new run has begun, its readers see nothing of it."""
        producer, self._replaced_producer = self._replaced_producer, None
        if producer is not None:
            producer.end("stopped")

    def begin_stop(self) -> None:
        """Let the generator be closed at its next yield. Does not wait."""
        self._is_stopping = True

    def stop(self, deadline: float | None = None) -> None:
        """Stop, and wait until the generator's ``finally`` has run; after five seconds leave it behind.

        Args:
            deadline: when to leave it behind, as ``time.monotonic`` counts.
        """
        self._is_stopping = True
        with self._lock:
            enforces = not self._is_enforced
            self._is_enforced = True
        if enforces:
            self._enforce_stop(time.monotonic() + STOP_TIMEOUT if deadline is None else deadline)
        else:
            self._is_settled.wait()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run has ended or was left behind; say whether it has."""
        return self._is_settled.wait(timeout)

    def _enforce_stop(self, deadline: float) -> None:
        if not self._is_settled.wait(_INTERRUPT_AFTER):
            self._interrupt()
        if self._is_settled.wait(max(0.0, deadline - time.monotonic())):
            return
        with self._lock:
            self._is_abandoned = not self._is_ended
        if self._is_abandoned:
            self._abandon()

    def _abandon(self) -> None:
        if self.names is not None:
            self.names.disown_all()
        self._settle("stopped", None)
        self.origin.tell(
            f"The generator of the stream {self.name!r} did not stop within {STOP_TIMEOUT:g} s: something in it "
            "blocks. It was left behind: what it still yields is refused, and it is closed at its next yield."
        )

    def _take_predecessor(self) -> Run | None:
        # Not kept: each would hold the one before it.
        predecessor, self._predecessor = self._predecessor, None
        return predecessor

    def _interrupt(self) -> None:
        """Interrupt what runs between two yields."""
        raise NotImplementedError

    def _breathe(self, now: float) -> None:
        """Do what is due now and then, at a yield: the notebook gets the run's values, and the cell returns."""
        self._next_copy = now + COPY_INTERVAL
        self._copy_out()
        self._has_first.set()

    def _copy_out(self) -> None:
        if self.names is not None:
            self.names.copy_out()

    def _finish(self, error: BaseException | None) -> None:
        """Tell all who are to know that the generator has ended. Called in the run's own thread or task."""
        self._copy_out()
        if error is not None:
            failure.prepare(error)
        with self._lock:
            self._is_ended = True
            self.error = error
            is_late, shows = self._is_abandoned, self._shows_error
        if error is not None and shows:
            failure.show(error, self.origin)
        if not is_late:
            self._settle("error" if error is not None else "stopped" if self._is_stopping else "done", error)

    def _settle(self, reason: str, error: BaseException | None) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._client.release(producer)
            if self._is_replaced:
                self._replaced_producer = producer
            else:
                producer.end(reason, None if error is None else json.dumps(failure.describe(error)))
        if self._client.runs.get(self.name) is self:
            del self._client.runs[self.name]
        self._has_first.set()
        self._is_settled.set()
        if self.view is not None:
            self.view.close()
