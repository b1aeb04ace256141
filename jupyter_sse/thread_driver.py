"""What advances a plain generator: a daemon thread of its own."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from jupyter_sse.life import Life


class ThreadDriver:
    """Advances the plain generator of one life.

    Args:
        life: what the values are for.
        name: of the thread.
    """

    def __init__(self, life: Life, name: str) -> None:
        self._life = life
        self._generator: Generator[object, Any, object] | None = None
        self._thread = threading.Thread(target=life.origin.run, args=(self._main,), name=name, daemon=True)
        # How the thread and whoever interrupts it keep out of each other's way. Each sets its own flag before it looks
        # at the other's, so no interrupt can arrive once the generator is being closed. A lock would not do: an
        # exception from outside may come between taking it and the code that gives it back.
        self._takes_interrupts = False
        self._is_interrupting = False

    def launch(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system has no thread left.
        """
        self._thread.start()

    def is_launched(self) -> bool:
        """Say whether the thread has begun."""
        return self._thread.ident is not None

    def is_here(self) -> bool:
        """Say whether the caller is the generator itself."""
        return threading.current_thread() is self._thread

    def stop_from_here(self) -> None:
        """Do nothing more: a generator that stops itself is closed at its next yield."""

    def revive(self) -> None:
        """Do nothing: threads run to the end of the process."""

    def interrupt(self) -> None:
        """Raise GeneratorExit in the generator, at its next bytecode."""
        self._is_interrupting = True
        try:
            if self._takes_interrupts:
                _raise_in(self._thread, ctypes.py_object(GeneratorExit))
        finally:
            self._is_interrupting = False

    def abandon(self) -> None:
        """Do nothing: the thread is nobody else's."""

    def _main(self) -> None:
        error = self._drive_to_end()
        try:
            if self._generator is not None:
                self._generator.close()
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it goes to the cell
            error = error or raised
        self._life.finish(error)

    def _drive_to_end(self) -> BaseException | None:
        try:
            try:
                self._life.prepare()
                self._takes_interrupts = True
                self._generator = self._life.make()
                self._life.drive(self._generator)
            finally:
                self._refuse_interrupts()
        except GeneratorExit as raised:
            # A stop interrupts once, maybe just now, in the line above.
            self._refuse_interrupts()
            return None if self._life.is_stopping else raised
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it goes to the cell
            return raised
        return None

    def _refuse_interrupts(self) -> None:
        self._takes_interrupts = False
        while self._is_interrupting:
            time.sleep(0)
        # One that was sent but has not arrived is taken back.
        _raise_in(self._thread, ctypes.py_object())


def _raise_in(thread: threading.Thread, exception: ctypes.py_object[Any]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), exception)
