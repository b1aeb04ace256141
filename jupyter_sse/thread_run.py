"""A run of a plain generator, in a daemon thread of its own."""

from __future__ import annotations

import ctypes
import threading
import time
from time import monotonic
from typing import TYPE_CHECKING, Any

from jupyter_sse.encoding import parts
from jupyter_sse.failure import refused_value
from jupyter_sse.run import Run

if TYPE_CHECKING:
    from collections.abc import Generator

    from jupyter_sse.client import Client
    from jupyter_sse.origin import Origin
    from jupyter_sse.run import Source


class ThreadRun(Run):
    """One life of a plain generator."""

    def __init__(self, client: Client, name: str, origin: Origin, source: Source) -> None:
        super().__init__(client, name, origin, source)
        self._generator: Generator[object, Any, object] | None = None
        self._thread = threading.Thread(target=origin.run, args=(self._main,), name=f"jupyter_sse {name}", daemon=True)
        # How the thread and whoever interrupts it keep out of each other's way. Each sets its own flag before it looks
        # at the other's, so no interrupt can arrive once the generator is being closed. A lock would not do: an
        # exception from outside may come between taking it and the code that gives it back.
        self._takes_interrupts = False
        self._is_interrupting = False

    def launch(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline: float | None = None) -> None:
        """Stop, and wait; a generator that stops itself is closed at its next yield."""
        if threading.current_thread() is self._thread:
            self.begin_stop()
        else:
            super().stop(deadline)

    def _interrupt(self) -> None:
        self._is_interrupting = True
        try:
            if self._takes_interrupts:
                _raise_in(self._thread, ctypes.py_object(GeneratorExit))
        finally:
            self._is_interrupting = False

    def _main(self) -> None:
        error = self._drive_to_end()
        try:
            if self._generator is not None:
                self._generator.close()
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it goes to the cell
            error = error or raised
        self._finish(error)

    def _drive_to_end(self) -> BaseException | None:
        try:
            try:
                if (predecessor := self._take_predecessor()) is not None:
                    predecessor.wait()
                self._takes_interrupts = True
                self._generator, self.names = self._source.make()
                self._drive()
            finally:
                self._refuse_interrupts()
        except GeneratorExit as raised:
            # A stop interrupts once, maybe just now, in the line above.
            self._refuse_interrupts()
            return None if self._is_stopping else raised
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it goes to the cell
            return raised
        return None

    def _drive(self) -> None:
        generator, send = self._generator, self._producer.send
        advance = generator.__next__
        refusal: Exception | None = None
        while True:
            try:
                value = advance() if refusal is None else generator.throw(refusal)
            except StopIteration:
                return
            if self._is_stopping:
                return
            refusal = None
            try:
                send(*parts(value))
            except Exception as raised:  # noqa: BLE001 - the generator hears of it, at the line that yielded
                if self._is_stopping:
                    return
                refusal = refused_value(raised)
            now = monotonic()
            if now >= self._next_copy:
                self._breathe(now)

    def _refuse_interrupts(self) -> None:
        self._takes_interrupts = False
        while self._is_interrupting:
            time.sleep(0)
        # One that was sent but has not arrived is taken back.
        _raise_in(self._thread, ctypes.py_object())


def _raise_in(thread: threading.Thread, exception: ctypes.py_object[Any]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), exception)
