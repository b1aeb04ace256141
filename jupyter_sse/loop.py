"""The event loop of asynchronous runs, in a thread of its own: a busy kernel does not stall them."""

from __future__ import annotations

import asyncio
import threading

ANSWER_TIMEOUT = 1.0


class LoopThread:
    """An asyncio event loop in a daemon thread, started when it is first needed.

    Threads: every method may be called from any thread.
    """

    def __init__(self) -> None:
        # Guards _loop alone.
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop, running."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run_forever, args=(self._loop,), name="jupyter_sse loop", daemon=True).start()
            return self._loop

    def replace_if_stuck(self) -> None:
        """Let later runs have a loop of their own if this one does not answer: a run blocks it."""
        with self._lock:
            loop = self._loop
        if loop is None:
            return
        answered = threading.Event()
        loop.call_soon_threadsafe(answered.set)
        if not answered.wait(ANSWER_TIMEOUT):
            with self._lock:
                if self._loop is loop:
                    self._loop = None


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
