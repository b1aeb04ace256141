"""What advances an async generator: a task of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from jupyter_sse.life import STOP_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Any

    from jupyter_sse.life import Life
    from jupyter_sse.loop import LoopThread


class TaskDriver:
    """Advances the async generator of one life.

    Args:
        life: what the values are for.
        loop: where it runs: the loop of ``LoopThread``, or the kernel's own, in which the cell does not wait for it.
        loop_thread: gets another loop where something in this one blocks.
    """

    def __init__(self, life: Life, loop: asyncio.AbstractEventLoop, loop_thread: LoopThread) -> None:
        self.loop = loop
        self._life = life
        self._loop_thread = loop_thread
        self._generator: AsyncGenerator[object, Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._takes_interrupts = False
        self._is_launched = False

    def launch(self) -> None:
        """Start the task."""
        self._is_launched = True
        self.loop.call_soon_threadsafe(self._start_task, context=self._life.origin.context.copy())

    def _start_task(self) -> None:
        self._task = self.loop.create_task(self._main())

    def is_launched(self) -> bool:
        """Say whether the loop knows of it."""
        return self._is_launched

    def is_here(self) -> bool:
        """Say whether the caller runs in the loop: waiting would keep it from running the ``finally``."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def stop_from_here(self) -> None:
        """Let another thread see to it that it stops."""
        self._life.stop_requested()

    def revive(self) -> None:
        """Run the loop where it stands still: the kernel shuts down, and we are what is left of its thread."""
        if self._task is None or self.loop.is_running() or self.loop.is_closed():
            return
        self._cancel()
        with contextlib.suppress(TimeoutError, RuntimeError):
            self.loop.run_until_complete(asyncio.wait_for(asyncio.shield(self._task), STOP_TIMEOUT))

    def interrupt(self) -> None:
        """Cancel what the generator awaits."""
        self.call_soon(self._cancel)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call something in the loop, if that has not been closed."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback)

    def _cancel(self) -> None:
        # Called in the loop, like what sets the flag: nothing comes between the two lines.
        if self._takes_interrupts:
            self._task.cancel()

    def abandon(self) -> None:
        """Let what comes later have a loop that is free."""
        self._loop_thread.replace_if_stuck()

    async def _main(self) -> None:
        # In the task's own context: what it prints, and what tasks that it starts print, goes to its cell.
        self._life.origin.pin()
        error: BaseException | None = None
        try:
            await self._life.prepare_in_task()
            self._takes_interrupts = True
            self._generator = self._life.make()
            await self._life.drive_in_task(self._generator)
        except (asyncio.CancelledError, GeneratorExit) as raised:
            error = None if self._life.is_stopping else raised
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it goes to the cell
            error = raised
        # What the generator does to clean up is not interrupted.
        self._takes_interrupts = False
        try:
            if self._generator is not None:
                await self._generator.aclose()
        except asyncio.CancelledError as raised:
            error = error or (None if self._life.is_stopping else raised)
        except BaseException as raised:  # noqa: BLE001 - as above
            error = error or raised
        await self._life.finish_in_task(error)
