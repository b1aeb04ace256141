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
from benchmarks.server import NEVER, Limit, Ours

if TYPE_CHECKING:
    from benchmarks.server import Server
    from benchmarks.setting import Setting

READERS = 1_000
RATE = 12_000
"""Events a second: 12 million deliveries, more than one core can."""

SECONDS = 6.0
ROUNDS = 5
GOAL = 1.5
PATH = "/api/status"


def run(setting: Setting) -> Part:
    """GET /api/status p99, idle and while the hub is saturated (N = 1,000), 50 requests a second."""
    rounds: list[dict[str, float]] = []
    with ExitStack() as stack:
        ours = stack.enter_context(Ours(setting, f"--SSEApp.ping_interval={NEVER}"))
        limit = stack.enter_context(Limit(setting))
        # They give way: the probe is what is measured, and shares their core.
        loads = {
            server: stack.enter_context(Readers(setting, server.address, READERS, niceness=10))
            for server in (ours, limit)
        }
        command = [sys.executable, "-m", "benchmarks.probe", str(ours.jupyter.port), PATH, ours.jupyter.token]
        probe = stack.enter_context(Program(command, cores_of_clients(), setting.log("probe"), talks=True))
        probe.hear()
        for _ in range(setting.pick(ROUNDS, 1)):
            rounds.append(one_round(loads, probe))
            print("  ".join(f"{name} {short(value)}" for name, value in rounds[-1].items()), flush=True)
    busy, ratios = compared("hub", rounds)
    row = Row(f"GET {PATH} p99, hub saturated", f"≤ {GOAL} × idle", busy)
    row.ratio, row.spread = f"{middle(ratios):.2f} × idle", spread(ratios, " ×")
    row.reached = middle(ratios) <= GOAL
    bare, ratios = compared("send", rounds)
    bare_row = Row("  beside a bare send() on Jupyter's core", measured=bare)
    bare_row.ratio, bare_row.spread = f"{middle(ratios):.2f} × idle", spread(ratios, " ×")
    idle = [one["idle_p99_ms"] for one in rounds]
    idle_row = Row("  idle", measured=f"{middle(idle):.1f} ms", spread=spread(idle, " ms"))
    return Part([row, bare_row, idle_row], {"rounds": rounds})


def compared(load: str, rounds: list[dict[str, float]]) -> tuple[str, list[float]]:
    """Return p99 beside a load, and how many times the idle one it was in each round."""
    busy = [one[f"{load}_p99_ms"] for one in rounds]
    return f"{middle(busy):.1f} ms", [one[f"{load}_p99_ms"] / one["idle_p99_ms"] for one in rounds]


def one_round(loads: dict[Server, Readers], probe: Program) -> dict[str, float]:
    """Probe Jupyter without load, then with the hub's, then beside a bare send() on the same core."""
    idle = probe.ask(str(SECONDS))["ms"]
    found = {"idle_p50_ms": percentile(idle, 50), "idle_p99_ms": percentile(idle, 99)}
    for name, (server, readers) in zip(("hub", "send"), loads.items(), strict=True):
        found |= {f"{name}_{what}": value for what, value in beside(server, readers, probe).items()}
    return found


def beside(server: Server, readers: Readers, probe: Program) -> dict[str, float]:
    """Probe Jupyter while this server is asked for more than it can."""
    run = readers.begin()
    # The load begins before the probe and ends after it.
    load: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: load.update(server.publish(run, RATE, SECONDS + 1.0, 120)))
    thread.start()
    busy = probe.ask(str(SECONDS))["ms"]
    thread.join()
    found = readers.end(load["published"])
    return {
        "p50_ms": percentile(busy, 50),
        "p99_ms": percentile(busy, 99),
        "deliveries_per_second": found["deliveries"] / max(found["seconds"], 0.001),
    }


def percentile(values: list[float], percent: int) -> float:
    """Return what so many of a hundred do not exceed."""
    return quantiles(values, n=100)[percent - 1]
