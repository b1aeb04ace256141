"""How many deliveries a second a server sustains: nothing lost, and p99 from the scheduled time below 250 ms."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.machine import cpu_seconds

if TYPE_CHECKING:
    from benchmarks.load import Readers
    from benchmarks.server import Server

LATE_MS = 250.0
LATE_MS_OF_MANY = 400.0
"""The same for 10,000 readers and more where two cores are shared by everybody: one pass takes half of it."""

MANY = 10_000
EVENT_BYTES = 120
FEWEST_EVENTS = 4
"""A trial is so long that it has as many."""

STRIDE = 1.6
"""The first steps of a search."""

STEP = 1.15
"""The steps that its result is exact to."""


@dataclass(frozen=True)
class Trial:
    """One run at one rate.

    Attributes:
        rate: Events a second.
        deliveries: A second, as offered; where the trial is good, as taken.
        is_good: Whether everything came, once and in order, and soon enough.
        cpu_us: Processor time of the server for each delivery.
        found: What the readers counted.
    """

    rate: float
    deliveries: float
    p50_ms: float
    p99_ms: float
    is_good: bool
    cpu_us: float
    found: dict[str, Any]

    @property
    def achieved(self) -> float:
        """Events a second that every reader got, from the first to the last."""
        return self.rate * self.found["deliveries"] / self.deliveries / max(self.found["seconds"], 0.001)


def measure(server: Server, readers: Readers, rate: float, seconds: float, size: int = EVENT_BYTES) -> Trial:
    """Publish so many events a second and see what becomes of them."""
    seconds = max(seconds, FEWEST_EVENTS / rate)
    run = readers.begin()
    before = cpu_seconds(*server.pids)
    published = server.publish(run, rate, seconds, size)
    found = readers.end(published["published"])
    used = cpu_seconds(*server.pids) - before
    wrong = found["missing"] + found["duplicates"] + found["disordered"] + found["closed"]
    p99 = found["p99_ms"] or float("inf")
    return Trial(
        rate=rate,
        deliveries=rate * readers.connections,
        p50_ms=found["p50_ms"] or float("inf"),
        p99_ms=p99,
        is_good=wrong == 0 and p99 < bound_ms(readers.connections),
        cpu_us=used / max(1, found["deliveries"]) * 1e6,
        found={**found, **published},
    )


def bound_ms(connections: int) -> float:
    """Return what p99 has to stay below, in ms."""
    is_crowded = connections >= MANY and len(os.sched_getaffinity(0)) <= 2
    return LATE_MS_OF_MANY if is_crowded else LATE_MS


def search(server: Server, readers: Readers, seconds: float, guess: float) -> Trial | None:
    """Return the best trial at the highest rate that is sustained, to a step; None where not one event a second is.

    Args:
        server: Whose stream.
        readers: Who read it.
        seconds: How long a trial is.
        guess: Events a second to begin with.
    """
    trial = measure(server, readers, max(guess, 1.0), seconds)
    while not trial.is_good and trial.rate > 1.0:
        # What it did get through tells more than how fast it was asked to be.
        trial = measure(server, readers, max(1.0, min(trial.rate / STRIDE, trial.achieved)), seconds)
    if not trial.is_good:
        return None
    best = climb(server, readers, seconds, trial.rate * STRIDE, STRIDE) or trial
    return climb(server, readers, seconds, best.rate * STEP, STEP) or best


def refine(server: Server, readers: Readers, seconds: float, known: float) -> Trial | None:
    """Return the same for a rate that was found before: a few steps up, or down."""
    best = climb(server, readers, seconds, known, STEP, most=2)
    for step in (STEP, STEP, STEP, STRIDE, STRIDE, STRIDE):
        if best is not None:
            break
        known /= step
        best = climb(server, readers, seconds, known, STEP, most=1)
    return best


def climb(server: Server, readers: Readers, seconds: float, rate: float, step: float, most: int = 12) -> Trial | None:
    """Raise the rate by steps while it is sustained; return the last good trial."""
    best = None
    for _ in range(most):
        trial = measure(server, readers, rate, seconds)
        if not trial.is_good:
            return best
        best = trial
        rate *= step
    return best
