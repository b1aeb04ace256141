"""What the user is told when the server does not take a process's events: once, and again when it is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TOLD_AFTER = 2.0
"""Seconds that the server may be away before it is said. One that is shut down ends its kernels sooner."""

LOSS_INTERVAL = 60.0
"""Seconds between two reports of losses while the server is there, but takes nothing."""


class Outage:
    """The time for which no server is linked, and what was lost in it.

    Args:
        tell: says a sentence to whoever feeds a stream, or to nobody where nothing feeds any.

    Threads: the one that passes on what the link has to say.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._begun: float | None = None
        self._reason = ""
        self._is_told = False
        self._lost_events = 0
        self._next_loss = 0.0

    def seconds_left(self) -> float | None:
        """Return how long the server may still come back before the user is told; None where nothing is to be told."""
        if self._begun is None or self._is_told:
            return None
        return max(0.0, self._begun + TOLD_AFTER - time.monotonic())

    def begin(self, reason: str) -> None:
        """Take down that the server is gone."""
        if self._begun is None:
            self._begun = time.monotonic()
        self._reason = reason

    def tell_of_it(self) -> None:
        """Say that the server is away."""
        self._is_told = True
        self._tell(
            f"the Jupyter server is away ({self._reason}). Streams go on, and up to 64 MiB of events wait for it to "
            "come back."
        )

    def lose(self, events: int) -> None:
        """Take down, and say now and then, that events were dropped because no server took them."""
        self._lost_events += events
        now = time.monotonic()
        if now < self._next_loss:
            return
        # In an outage once: its end tells the rest.
        self._next_loss = now + LOSS_INTERVAL if self._begun is None else float("inf")
        self._tell(
            "events are being dropped, the oldest first: the Jupyter server takes none, and no more can wait for it. "
            "Readers will be told how many are missing."
        )

    def end(self) -> None:
        """Say that the server is back, if it was said that it is away, and what was lost meanwhile."""
        begun, self._begun = self._begun, None
        lost, self._lost_events = self._lost_events, 0
        self._next_loss = 0.0
        if begun is None or not (self._is_told or lost):
            return
        self._is_told = False
        losses = f"{lost:,} events were lost, which readers are told" if lost else "no event was lost"
        self._tell(f"the Jupyter server is back after {time.monotonic() - begun:.0f} s; {losses}.")
