"""When events are published and what is in them: the same for every server. Imports nothing but the standard library.

An event's data carries the time it was *to be* published at, so that nobody who falls behind can hide it::

    {"run":3,"n":17,"ts":123456789,"x":"xxx…"}
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LEAD = 0.05
"""Seconds between the order and the first event."""

TICK = 0.001
"""The shortest pause between two looks at what is due, in seconds."""


class Schedule:
    """The events of one run, each at its time.

    Args:
        run: The run's number.
        rate: Events a second.
        seconds: How long.
        size: Bytes of an event's data.
    """

    def __init__(self, run: int, rate: float, seconds: float, size: int) -> None:
        self.run = run
        self.count = max(1, round(rate * seconds))
        self.late = 0.0
        self._start = time.monotonic_ns() + int(LEAD * 1e9)
        self._step = 1e9 / rate
        self._next = 1
        self._padding = "x" * max(0, size - len(self._text(self.count, "")))

    @classmethod
    def of(cls, order: str) -> Schedule:
        """Read ``publish RUN RATE SECONDS SIZE``."""
        _, run, rate, seconds, size = order.split()
        return cls(int(run), float(rate), float(seconds), int(size))

    def due(self) -> list[str]:
        """Return the data of the events that are due and were not returned before."""
        now = time.monotonic_ns()
        last = min(self.count, int((now - self._start) / self._step) + 1) if now >= self._start else 0
        texts = [self._text(number, self._padding) for number in range(self._next, last + 1)]
        if texts:
            self.late = max(self.late, (now - self._time(self._next)) / 1e9)
            self._next = last + 1
        return texts

    def pause(self) -> float | None:
        """Return how long to wait for the next event, in seconds; None after the last."""
        if self._next > self.count:
            return None
        return max(TICK, (self._time(self._next) - time.monotonic_ns()) / 1e9)

    def report(self) -> dict[str, Any]:
        """Return the number of the last event, and how late the publisher itself was at worst."""
        return {"published": self.count, "late_ms": self.late * 1e3}

    def _time(self, number: int) -> int:
        return self._start + int((number - 1) * self._step)

    def _text(self, number: int, padding: str) -> str:
        return f'{{"run":{self.run},"n":{number},"ts":{self._time(number)},"x":"{padding}"}}'


async def publish(schedule: Schedule, put: Callable[[str], Any]) -> dict[str, Any]:
    """Hand each event to ``put`` when it is due, on an event loop."""
    while (pause := schedule.pause()) is not None:
        await asyncio.sleep(pause)
        for text in schedule.due():
            put(text)
    return schedule.report()


def obey(put_all: Callable[[list[str]], None], flush: Callable[[], None]) -> None:
    """Publish as the lines of standard input say, and report on standard output."""
    for order in sys.stdin:
        schedule = Schedule.of(order)
        while (pause := schedule.pause()) is not None:
            time.sleep(pause)
            put_all(schedule.due())
        flush()
        print(json.dumps(schedule.report()), flush=True)
