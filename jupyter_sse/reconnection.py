"""When a reader that lost its connection comes back."""

from __future__ import annotations

import random

USUAL_PAUSE = 2.0
"""Seconds before a reader comes back to a server that told no time of its own."""

LONGEST_PAUSE = 20.0
"""Seconds that failures make a reader wait at the most; a server may tell more."""

SHORTEST_PAUSE = 0.05

SETTLED_AFTER = 5.0
"""Seconds after which a connection that has brought no event was a good one all the same."""


class Reconnection:
    """How long to wait: never less than the server told, longer after each failure, and not as long as all others.

    Attributes:
        failures: How many connections in a row brought nothing.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._told = USUAL_PAUSE
        self._asked: float | None = None

    def tell(self, milliseconds: int | None) -> None:
        """Take the reconnection time that the stream has set, if it has."""
        if milliseconds is not None:
            self._told = milliseconds / 1000

    def ask(self, seconds: float) -> None:
        """Take what a refusal asks for, once."""
        self._asked = seconds

    def settle(self, *, has_events: bool, seconds: float) -> None:
        """Take how a connection went that is over now.

        Args:
            has_events: It brought some.
            seconds: How long it lasted.
        """
        self.failures = 0 if has_events or seconds >= SETTLED_AFTER else self.failures + 1

    def next_pause(self) -> float:
        """Return how many seconds to wait."""
        told = max(self._told, SHORTEST_PAUSE)
        grown = told * 2 ** min(max(self.failures - 1, 0), 10)
        pause = min(grown, max(told, LONGEST_PAUSE))
        if self._asked is not None:
            pause, self._asked = max(pause, self._asked), None
        # A server that comes back is not to meet all its readers at once.
        return pause * random.uniform(1.0, 1.5)  # noqa: S311 - not a secret
