"""Whether Jupyter answers as before while the hub is saturated."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from benchmarks.load import Readers
from benchmarks.machine import cores_of_clients
from benchmarks.program import Program
from benchmarks.report import Part, Row, middle, short, spread
from benchmarks.server import NEVER, Ours

if TYPE_CHECKING:
    from benchmarks.setting import Setting

READERS = 1_000
RATE = 12_000
"""Events a second: 12 million deliveries, more than one core can."""

SECONDS = 4.0
ROUNDS = 5
GOAL = 1.5


def run(setting: Setting) -> Part:
    """GET /api/status p99, idle and while the hub is saturated (N = 1,000), 50 requests a second."""
    rounds: list[dict[str, float]] = []
    with ExitStack() as stack:
        ours = stack.enter_context(Ours(setting, f"--SSEApp.ping_interval={NEVER}"))
        # They give way: the probe is what is measured, and shares their core.
        readers = stack.enter_context(Readers(setting, ours.address, READERS, niceness=10))
        command = [sys.executable, "-m", "benchmarks.probe", str(ours.jupyter.port), "/api/status", ours.jupyter.token]
        probe = stack.enter_context(Program(command, cores_of_clients(), setting.log("probe"), talks=True))
        probe.hear()
        for _ in range(setting.pick(ROUNDS, 1)):
            rounds.append(one_round(ours, readers, probe))
            print("  ".join(f"{name} {short(value)}" for name, value in rounds[-1].items()), flush=True)
    ratios = [one["busy_p99_ms"] / one["idle_p99_ms"] for one in rounds]
    row = Row(
        "GET /api/status p99, hub saturated",
        f"≤ {GOAL} × idle",
        f"{middle([one['busy_p99_ms'] for one in rounds]):.1f} ms",
    )
    row.ratio, row.spread = f"{middle(ratios):.2f} × idle", spread(ratios, " ×")
    row.reached = middle(ratios) <= GOAL
    idle = [one["idle_p99_ms"] for one in rounds]
    idle_row = Row("GET /api/status p99, idle", measured=f"{middle(idle):.1f} ms", spread=spread(idle, " ms"))
    return Part([row, idle_row], {"rounds": rounds})


def one_round(ours: Ours, readers: Readers, probe: Program) -> dict[str, float]:
    """Probe without load, then with it."""
    idle = probe.ask(str(SECONDS))["ms"]
    run = readers.begin()
    # The load begins before the probe and ends after it.
    load: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: load.update(ours.publish(run, RATE, SECONDS + 1.0, 120)))
    thread.start()
    busy = probe.ask(str(SECONDS))["ms"]
    thread.join()
    found = readers.end(load["published"])
    return {
        "idle_p50_ms": percentile(idle, 50),
        "idle_p99_ms": percentile(idle, 99),
        "busy_p50_ms": percentile(busy, 50),
        "busy_p99_ms": percentile(busy, 99),
        "deliveries_per_second": found["deliveries"] / max(found["seconds"], 0.001),
    }


def percentile(values: list[float], percent: int) -> float:
    """Return what so many of a hundred do not exceed."""
    return quantiles(values, n=100)[percent - 1]
