"""What one delivery costs the server when nothing can be joined, beside the bare loop of send()."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.load import Readers
from benchmarks.peers import PEERS
from benchmarks.rate import measure
from benchmarks.report import Part, Row, middle, spread
from benchmarks.server import NEVER, Limit, Ours

if TYPE_CHECKING:
    from benchmarks.setting import Setting

READERS = 1_000
RATE = 8
"""Events a second: each goes out before the next comes."""

SECONDS = 2.0
ROUNDS = 5
GOAL = 1.3


def run(setting: Setting) -> Part:
    """CPU per delivery at N = 1,000 and 8 events/s, one event a write, µs of all the server's threads."""
    figures: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers = [Ours(setting, f"--SSEApp.ping_interval={NEVER}"), Limit(setting)]
        servers += [PEERS[name](setting) for name in setting.peers]
        readers = []
        for server in servers:
            stack.enter_context(server)
            readers.append(stack.enter_context(Readers(setting, server.address, setting.pick(READERS, 200))))
        for _ in range(setting.pick(ROUNDS, 2)):
            for server, crowd in zip(servers, readers, strict=True):
                trial = measure(server, crowd, RATE, SECONDS if not setting.is_quick else 1.0)
                figures.setdefault(server.name, []).append(trial.cpu_us)
                print(f"{server.name:22}{trial.cpu_us:8.2f} µs  p99 {trial.p99_ms:.1f} ms", flush=True)
    limit = middle(figures[Limit.name])
    part = Part(figures={"cpu_us_per_delivery": figures})
    for name, values in figures.items():
        ratio = middle(values) / limit
        row = Row(
            f"CPU per unbatched delivery: {name}", measured=f"{middle(values):.1f} µs", spread=spread(values, " µs")
        )
        row.ratio = f"{ratio:.2f} × send()"
        if name == Ours.name:
            row.goal, row.reached = f"≤ {GOAL} × send()", ratio <= GOAL
        part.rows.append(row)
    return part
