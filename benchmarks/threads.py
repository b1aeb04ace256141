"""Whether a second thread of the hub helps where there is a core for it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.load import Readers
from benchmarks.machine import cpu_seconds, unpin
from benchmarks.report import Part, Row, middle, spread
from benchmarks.server import NEVER, Ours

if TYPE_CHECKING:
    from benchmarks.setting import Setting

THREADS = (1, 2)
READERS = 10_000
RATE = 8
"""Events a second: writing to all, one event each, takes one thread nearly all of the time between two."""

SECONDS = 3.0
ROUNDS = 5


def run(setting: Setting) -> Part:
    """Milliseconds from the schedule to 10,000 readers at 8 events/s, by SSEApp.reactor_threads; nothing is pinned."""
    count = setting.pick(READERS, 1_000)
    rounds: dict[int, list[dict[str, float]]] = {threads: [] for threads in THREADS}
    with ExitStack() as stack:
        pairs = {threads: pair(stack, setting, threads, count) for threads in THREADS}
        for _ in range(setting.pick(ROUNDS, 1)):
            for threads, (ours, readers) in pairs.items():
                found = one_round(ours, readers)
                rounds[threads].append(found)
                told = "  ".join(f"{name} {value:.1f}" for name, value in found.items())
                print(f"{threads} threads  {told}", flush=True)
    part = Part(figures={str(threads): found for threads, found in rounds.items()})
    for name in ("p50_ms", "p99_ms"):
        usual = middle([found[name] for found in rounds[THREADS[0]]])
        for threads in THREADS:
            values = [found[name] for found in rounds[threads]]
            row = Row(f"N = {count:,}, reactor_threads {threads}: {name[:3]}", measured=f"{middle(values):.0f} ms")
            row.ratio, row.spread = f"{middle(values) / usual:.2f} × one thread", spread(values, " ms")
            part.rows.append(row)
    return part


def pair(stack: ExitStack, setting: Setting, threads: int, count: int) -> tuple[Ours, Readers]:
    """Start a server and its readers, on all cores."""
    options = f"--SSEApp.ping_interval={NEVER}", f"--SSEApp.reactor_threads={threads}"
    ours = stack.enter_context(Ours(setting, *options))
    readers = stack.enter_context(Readers(setting, ours.address, count))
    for pid in (*ours.pids, readers.pid):
        unpin(pid)
    return ours, readers


def one_round(ours: Ours, readers: Readers) -> dict[str, float]:
    """Publish at the rate; return how long it took to reach the readers, and what it cost."""
    run = readers.begin()
    before = cpu_seconds(*ours.pids)
    published = ours.publish(run, RATE, SECONDS, 120)["published"]
    found = readers.end(published)
    if found["missing"]:
        raise RuntimeError(f"expected {published} events for each, got {found}")
    microseconds = (cpu_seconds(*ours.pids) - before) / found["deliveries"] * 1e6
    return {"p50_ms": found["p50_ms"], "p99_ms": found["p99_ms"], "cpu_us": microseconds}
