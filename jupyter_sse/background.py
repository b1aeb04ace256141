"""What runs after a reader's stream, however that ended."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jupyter_sse.loop import LoopThread
    from jupyter_sse.origin import Origin


class Background:
    """A call that is made once, after a visit.

    Args:
        function: plain or async.
        arguments: of the call.
        origin: the cell to which its prints go.
        loop_thread: where an async function runs after a plain generator.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: Mapping[str, Any], origin: Origin, loop_thread: LoopThread
    ) -> None:
        self._function = function
        self._arguments = arguments
        self._origin = origin
        self._loop_thread = loop_thread

    def run(self) -> None:
        """Make the call, and wait for its end.

        Raises:
            BaseException: what it raises.

        Threads: any but those of event loops.
        """
        result = self._function(**self._arguments)
        if inspect.isawaitable(result):
            asyncio.run_coroutine_threadsafe(self._awaited(result), self._loop_thread.loop()).result()

    async def run_in_task(self) -> None:
        """Make the call without blocking the loop: a plain function gets a thread of its own.

        Raises:
            BaseException: what it raises.
        """
        if inspect.iscoroutinefunction(self._function):
            await self._function(**self._arguments)
            return
        result = await self._called_in_thread()
        if inspect.isawaitable(result):
            await result

    async def _awaited(self, result: Any) -> None:
        self._origin.pin()
        await result

    async def _called_in_thread(self) -> Any:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def call() -> None:
            try:
                result = self._function(**self._arguments)
            except BaseException as raised:  # noqa: BLE001 - it is raised where it is awaited
                loop.call_soon_threadsafe(_settle, done, None, raised)
            else:
                loop.call_soon_threadsafe(_settle, done, result, None)

        thread = threading.Thread(target=self._origin.run, args=(call,), name="jupyter_sse background", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The process ends: no thread can be started any more.
            return self._function(**self._arguments)
        return await done


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(result)
    elif isinstance(error, StopIteration):
        done.set_exception(RuntimeError(f"the background function raised {error!r}"))
    else:
        done.set_exception(error)
