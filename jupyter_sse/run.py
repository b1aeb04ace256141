"""Runs: one life of a generator that feeds a stream, from its first yield to its ``finally``."""

from __future__ import annotations

import asyncio
import json
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_sse import failure
from jupyter_sse.failure import refused_value
from jupyter_sse.life import Life

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_sse._rust import Producer
    from jupyter_sse.client import Client
    from jupyter_sse.display import View
    from jupyter_sse.namespace import RunNames
    from jupyter_sse.origin import Origin

COPY_INTERVAL = 0.2
FIRST_YIELD_TIMEOUT = 1.0

TURN = 0.01
"""A generator that never waits for anything must let the loop's other tasks have their turn, so often in seconds."""


class Source(Protocol):
    """What a run is a life of: a cell, or a generator function with its arguments."""

    def make(self) -> tuple[Any, RunNames | None]:
        """Make the generator, and the names that are its own. Called where the run takes place."""


class Run(Life):
    """One life of a generator that feeds a stream.

    Args:
        client: of this process.
        name: the stream.
        origin: the cell that starts it, to which its prints and errors go.
        source: makes the generator.

    Attributes:
        names: the names that are its own, if it is a cell.
        view: its picture under the cell, if there is one.
        number: of the run, where the hub has confirmed it.

    Threads: every public method may be called from any thread, but for those that drivers call.
    """

    def __init__(self, client: Client, name: str, origin: Origin, source: Source) -> None:
        super().__init__(f"the stream {name!r}", origin)
        self.name = name
        self.names: RunNames | None = None
        self.view: View | None = None
        self.number: int | None = None
        self._client = client
        self._source = source
        self._predecessor: Run | None = None
        self._producer: Producer | None = None
        self._replaced_producer: Producer | None = None
        self._next_copy = 0.0
        self._is_replaced = False
        self._has_first = threading.Event()
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

    def cancel_launch(self) -> None:
        """End the run where its start was broken off: nothing else would, if its generator does not run yet."""
        if self.driver.is_launched():
            self.stop()
        else:
            self.begin_stop()
            self.finish(None)

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

    def refused(self, message: str) -> None:
        """Stop: the hub does not take what is yielded."""
        self.origin.tell(f"The stream {self.name!r} is refused: {message}")
        self.stop_requested()

    def replace(self) -> None:
        """Stop for a new run of the same stream: its readers stay and see no end."""
        self._is_replaced = True
        self.stop()

    def give_up_stream(self) -> None:
        """End the stream's producer after ``replace``: where a new run has begun, its readers see nothing of it."""
        producer, self._replaced_producer = self._replaced_producer, None
        if producer is not None:
            producer.end("stopped")

    def prepare(self) -> None:
        """Wait for the end of the run before."""
        if (predecessor := self._take_predecessor()) is not None:
            predecessor.wait()

    async def prepare_in_task(self) -> None:
        """Do the same without blocking the loop."""
        if (predecessor := self._take_predecessor()) is not None:
            await asyncio.to_thread(predecessor.wait)

    def _take_predecessor(self) -> Run | None:
        # Not kept: each would hold the one before it.
        predecessor, self._predecessor = self._predecessor, None
        return predecessor

    def make(self) -> Any:
        """Make the generator, with the names that are its own."""
        generator, self.names = self._source.make()
        return generator

    def drive(self, generator: Any) -> None:
        """Send what a plain generator yields."""
        advance, send = generator.__next__, self._producer.send
        refusal: Exception | None = None
        while True:
            try:
                value = advance() if refusal is None else generator.throw(refusal)
            except StopIteration:
                return
            if self.is_stopping:
                return
            refusal = None
            try:
                send(value)
            except Exception as raised:  # noqa: BLE001 - the generator hears of it, at the line that yielded
                if self.is_stopping:
                    return
                refusal = refused_value(raised)
            now = monotonic()
            if now >= self._next_copy:
                self._breathe(now)

    async def drive_in_task(self, generator: Any) -> None:
        """Send what an async generator yields."""
        producer = self._producer
        next_turn = monotonic() + TURN
        refusal: Exception | None = None
        while True:
            try:
                value = await (generator.__anext__() if refusal is None else generator.athrow(refusal))
            except StopAsyncIteration:
                return
            if self.is_stopping:
                return
            refusal = None
            try:
                if (unsent := producer.offer(value)) is not None:
                    # The link is full. Only this run waits for room, not the loop.
                    await asyncio.to_thread(producer.send, unsent)
            except Exception as raised:  # noqa: BLE001 - the generator hears of it, at the line that yielded
                if self.is_stopping:
                    return
                refusal = refused_value(raised)
            now = monotonic()
            if now >= self._next_copy:
                self._breathe(now)
            if now >= next_turn:
                await asyncio.sleep(0)
                next_turn = monotonic() + TURN

    def _breathe(self, now: float) -> None:
        """Do what is due now and then, at a yield: the notebook gets the run's values, and the cell returns."""
        self._next_copy = now + COPY_INTERVAL
        self._copy_out()
        self._has_first.set()

    def _copy_out(self) -> None:
        if self.names is not None:
            self.names.copy_out()

    def finish(self, error: BaseException | None) -> None:
        """Tell all who are to know that the generator has ended."""
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
            self._settle("error" if error is not None else "stopped" if self.is_stopping else "done", error)

    def _abandoned(self) -> None:
        if self.names is not None:
            self.names.disown_all()
        self._settle("stopped", None)

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
