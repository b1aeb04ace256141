"""A run of an async generator, as a task of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Any

from jupyter_sse.encoding import parts
from jupyter_sse.failure import refused_value
from jupyter_sse.run import STOP_TIMEOUT, Run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from jupyter_sse.client import Client
    from jupyter_sse.origin import Origin
    from jupyter_sse.run import Source

# A generator that never waits for anything must let the loop's other tasks have their turn, so often in seconds.
_TURN = 0.01


class TaskRun(Run):
    """One life of an async generator.

    Args:
        loop: where it runs: the loop of ``LoopThread``, or the kernel's own, in which the cell does not wait for it.
    """

    def __init__(
        self, client: Client, name: str, origin: Origin, source: Source, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(client, name, origin, source)
        self._generator: AsyncGenerator[object, Any] | None = None
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._takes_interrupts = False

    def launch(self) -> None:
        """Start the task."""
        self._loop.call_soon_threadsafe(self._start_task, context=self.origin.context.copy())

    def _start_task(self) -> None:
        self._task = self._loop.create_task(self._main())

    def stop(self, deadline: float | None = None) -> None:
        """Stop, and wait; where that would keep the loop from running the ``finally``, do not wait."""
        if _running_loop() is self._loop:
            self.stop_requested()
            return
        if not self._loop.is_running() and not self._loop.is_closed():
            # The kernel shuts down: its loop stands still, and we are what is left of its thread.
            self.begin_stop()
            self._cancel()
            with contextlib.suppress(TimeoutError, RuntimeError):
                self._loop.run_until_complete(asyncio.wait_for(asyncio.shield(self._task), STOP_TIMEOUT))
        super().stop(deadline)

    def _interrupt(self) -> None:
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        # Called in the loop, like what sets the flag: nothing comes between the two lines.
        if self._takes_interrupts:
            self._task.cancel()

    def _abandon(self) -> None:
        self._client.loop_thread.replace_if_stuck()
        super()._abandon()

    async def _main(self) -> None:
        # In the task's own context: what it prints, and what tasks that it starts print, goes to its cell.
        self.origin.pin()
        error: BaseException | None = None
        try:
            if (predecessor := self._take_predecessor()) is not None:
                await asyncio.to_thread(predecessor.wait)
            self._generator, self.names = self._source.make()
            self._takes_interrupts = True
            await self._drive()
        except (asyncio.CancelledError, GeneratorExit) as raised:
            error = None if self._is_stopping else raised
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it goes to the cell
            error = raised
        # What the generator does to clean up is not interrupted.
        self._takes_interrupts = False
        try:
            if self._generator is not None:
                await self._generator.aclose()
        except asyncio.CancelledError as raised:
            error = error or (None if self._is_stopping else raised)
        except BaseException as raised:  # noqa: BLE001 - as above
            error = error or raised
        self._finish(error)

    async def _drive(self) -> None:
        generator, producer = self._generator, self._producer
        next_turn = monotonic() + _TURN
        refusal: Exception | None = None
        while True:
            try:
                value = await (generator.__anext__() if refusal is None else generator.athrow(refusal))
            except StopAsyncIteration:
                return
            if self._is_stopping:
                return
            refusal = None
            try:
                fields = parts(value)
                if not producer.offer(*fields):
                    # The link is full. Only this run waits for room, not the loop.
                    await asyncio.to_thread(producer.send, *fields)
            except Exception as raised:  # noqa: BLE001 - the generator hears of it, at the line that yielded
                if self._is_stopping:
                    return
                refusal = refused_value(raised)
            now = monotonic()
            if now >= self._next_copy:
                self._breathe(now)
            if now >= next_turn:
                await asyncio.sleep(0)
                next_turn = monotonic() + _TURN


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
