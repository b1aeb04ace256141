"""Lives of generators: what a stream's run and a reader's visit share, from the start to the ``finally``."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_sse.origin import Origin

STOP_TIMEOUT = 5.0

# A generator that is about to yield gets the time to do so before the code between its yields is interrupted.
_INTERRUPT_AFTER = 0.1


class Driver(Protocol):
    """What advances a generator, and where: ``ThreadDriver`` or ``TaskDriver``."""

    def launch(self) -> None:
        """Let the generator run."""

    def is_launched(self) -> bool:
        """Say whether it runs, or will by itself."""

    def is_here(self) -> bool:
        """Say whether waiting for the generator would keep it from ending: it runs where the caller does."""

    def stop_from_here(self) -> None:
        """Stop where ``is_here``: without waiting."""

    def revive(self) -> None:
        """Let the generator end where nobody runs it any more."""

    def interrupt(self) -> None:
        """Interrupt what runs between two yields."""

    def abandon(self) -> None:
        """Leave the generator behind."""


class Life:
    """One life of a generator. Its driver advances it; what becomes of what it yields is for a subclass to say.

    Args:
        title: what messages call it, such as "the stream 'cpu'".
        origin: the cell that it belongs to, to which its prints and errors go.

    Attributes:
        driver: set by the subclass.
        error: what the generator raised.
        is_stopping: somebody wants it to end.

    Threads: every public method may be called from any thread, but for those that drivers call.
    """

    driver: Driver

    def __init__(self, title: str, origin: Origin) -> None:
        self.title = title
        self.origin = origin
        self.error: BaseException | None = None
        self.is_stopping = False
        self._is_settled = threading.Event()
        # Guards the flags by which threads agree on who does what. No code of the user's runs under it.
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._is_ended = False
        self._is_enforced = False

    def prepare(self) -> None:
        """Wait for what has to be over before. Called by the driver, where the generator runs; so are the next six."""

    async def prepare_in_task(self) -> None:
        """Do the same without blocking the loop."""

    def make(self) -> Any:
        """Make the generator."""
        raise NotImplementedError

    def drive(self, generator: Any) -> None:
        """Advance a plain generator to its end, or until ``is_stopping``."""
        raise NotImplementedError

    async def drive_in_task(self, generator: Any) -> None:
        """Advance an async generator to its end, or until ``is_stopping``."""
        raise NotImplementedError

    def finish(self, error: BaseException | None) -> None:
        """Tell all who are to know that the generator has ended, ``wait`` last."""
        raise NotImplementedError

    async def finish_in_task(self, error: BaseException | None) -> None:
        """Do the same without blocking the loop."""
        self.finish(error)

    def launch(self) -> None:
        """Let the generator run."""
        self.driver.launch()

    def begin_stop(self) -> None:
        """Let the generator be closed at its next yield. Does not wait."""
        self.is_stopping = True

    def stop_requested(self) -> None:
        """Begin to stop. Does not wait."""
        self.begin_stop()
        threading.Thread(target=stop_all, args=([self],), name=f"jupyter_sse stop {self.title}", daemon=True).start()

    def stop(self) -> None:
        """Stop, and wait until the generator's ``finally`` has run; after five seconds leave it behind."""
        stop_all([self])

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended or was left behind; say whether it has."""
        return self._is_settled.wait(timeout)

    def process_ends(self) -> None:
        """Stop: this process is about to end."""
        self.stop()

    def forked(self) -> None:
        """Called in a forked child, where the generator does not run."""

    def claim_stop(self) -> bool:
        """Say whether the caller is the first that enforces the stop. The others wait for it."""
        with self._lock:
            is_first, self._is_enforced = not self._is_enforced, True
        return is_first

    def leave_behind(self) -> None:
        """Wait no longer: what still runs of it blocks."""
        with self._lock:
            self._is_abandoned = not self._is_ended
        if self._is_abandoned:
            self.driver.abandon()
            self._abandoned()
            self.origin.tell(
                f"The generator of {self.title} did not stop within {STOP_TIMEOUT:g} s: something in it blocks. It was "
                "left behind: what it still yields is refused, and it is closed at its next yield."
            )
        self._is_settled.set()

    def _abandoned(self) -> None:
        """Do what can be done of ``finish`` while the generator still runs."""
        raise NotImplementedError


def stop_all(lives: Sequence[Life], deadline: float | None = None) -> None:
    """Stop many, and wait until all have run their ``finally``; what takes longer is left behind.

    Those that run where the caller does are told to stop, and not waited for.

    Args:
        lives: none twice.
        deadline: when to leave them behind, as ``time.monotonic`` counts; None: in five seconds.
    """
    now = time.monotonic()
    deadline = now + STOP_TIMEOUT if deadline is None else deadline
    here = [life for life in lives if life.driver.is_here()]
    others = [life for life in lives if life not in here]
    for life in lives:
        life.begin_stop()
    for life in here:
        life.driver.stop_from_here()
    for life in others:
        life.driver.revive()
    ours = [life for life in others if life.claim_stop()]
    for life in ours:
        if not life.wait(_left(now + _INTERRUPT_AFTER)):
            life.driver.interrupt()
    for life in ours:
        if not life.wait(_left(deadline)):
            life.leave_behind()
    for life in others:
        life.wait()


def _left(moment: float) -> float:
    return max(0.0, moment - time.monotonic())
