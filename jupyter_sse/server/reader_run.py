"""One run of an async generator for one reader: pulled as fast as the reader takes what comes."""

from __future__ import annotations

import asyncio
import inspect
from time import monotonic
from typing import TYPE_CHECKING, Any

from jupyter_sse.encoding import encode
from jupyter_sse.failure import refused_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from jupyter_sse.server.outgoing import Outgoing

# A generator that never waits for anything must let the loop's other tasks have their turn, so often in seconds.
_TURN = 0.01


class ReaderRun:
    """One run of an async generator, in a task of its own, so that its ``finally`` runs when the reader goes.

    Attributes:
        error: What the generator raised, once it is over.
        has_events: It has yielded.
        is_stopped: It was told to stop: it did not come to its own end.

    Threads: everything runs on Tornado's loop.
    """

    def __init__(self, events: AsyncIterator[object], max_event_bytes: int) -> None:
        self.error: BaseException | None = None
        self.has_events = False
        self.is_stopped = False
        self._events = events
        self._max_event_bytes = max_event_bytes
        self._first = asyncio.Event()
        self._outgoing: asyncio.Future[Outgoing] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._main())

    @property
    def is_over(self) -> bool:
        """The generator has ended, its ``finally`` included."""
        return self._task.done()

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call something when the generator has ended, its ``finally`` included."""
        self._task.add_done_callback(lambda _: callback())

    async def wait_for_first(self, timeout: float) -> None:
        """Wait for the first event or the end, but no longer than ``timeout`` seconds."""
        first = asyncio.ensure_future(self._first.wait())
        try:
            await asyncio.wait({first, self._task}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            first.cancel()

    def give(self, outgoing: Outgoing) -> None:
        """Say where the events go."""
        if not self._outgoing.done():
            self._outgoing.set_result(outgoing)

    def stop(self) -> None:
        """Interrupt the generator where it waits, or close it at its last yield. Does not wait."""
        if not self.is_stopped and not self.is_over:
            self.is_stopped = True
            self._task.cancel()

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until the generator has ended, its ``finally`` included, but no longer than ``timeout`` seconds."""
        await asyncio.wait({self._task}, timeout=timeout)

    async def _main(self) -> None:
        try:
            await self._drive()
        except asyncio.CancelledError as raised:
            self._cancelled(raised)
        except Exception as raised:  # noqa: BLE001 - whatever it is, the handler tells reader and log
            self.error = raised
        try:
            close = getattr(self._events, "aclose", None)
            if close is not None:
                await close()
        except asyncio.CancelledError as raised:
            self._cancelled(raised)
        except Exception as raised:  # noqa: BLE001 - as above
            self.error = self.error or raised

    def _cancelled(self, raised: asyncio.CancelledError) -> None:
        """Tell a stop, such as that of a loop that ends, from something that the generator waited for in vain."""
        if self._task.cancelling():
            self.is_stopped = True
        else:
            self.error = raised

    async def _drive(self) -> None:
        next_turn = monotonic() + _TURN
        outgoing: Outgoing | None = None
        refusal: Exception | None = None
        while True:
            try:
                value = await (anext(self._events) if refusal is None else self._refuse(refusal))
            except StopAsyncIteration:
                return
            if self.is_stopped:
                return
            refusal = None
            try:
                block = encode(value, max_event_bytes=self._max_event_bytes)
            except Exception as raised:  # noqa: BLE001 - the generator hears of it, at the line that yielded
                refusal = refused_value(raised)
                continue
            if outgoing is None:
                self.has_events = True
                self._first.set()
                outgoing = await self._outgoing
            outgoing.put(block)
            await outgoing.room()
            if monotonic() >= next_turn:
                await asyncio.sleep(0)
                next_turn = monotonic() + _TURN

    async def _refuse(self, refusal: Exception) -> Any:
        """Raise an error where the generator has yielded what cannot be sent; return what it yields then."""
        if not inspect.isasyncgen(self._events):
            raise refusal
        return await self._events.athrow(refusal)
