"""What a subscriber costs who reads an idle stream: resident memory of the server, and what the hub allocates."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks.load import SOURCES, Readers
from benchmarks.machine import resident_bytes
from benchmarks.peers import PEERS
from benchmarks.report import Part, Row, middle, spread
from benchmarks.server import NEVER, Ours

if TYPE_CHECKING:
    from benchmarks.server import Server
    from benchmarks.setting import Setting

SUBSCRIBERS = 10_000
WARM_UP = 1_000
ROUNDS = 2
GOAL_RESIDENT_KIB = 2.0
GOAL_ALLOCATED_KIB = 0.6
SETTLED = 2.0
"""Seconds until a server has done what comes after the last answer."""


def run(setting: Setting) -> Part:
    """KiB per idle subscriber, N = 10,000, after a warm-up of 1,000 that came and left."""
    count = setting.pick(SUBSCRIBERS, 1_000)
    part = Part()
    allocated = allocated_kib(count)
    row = Row("allocated by the hub per subscriber", f"≤ {GOAL_ALLOCATED_KIB} KiB", f"{allocated:.2f} KiB")
    row.reached = allocated <= GOAL_ALLOCATED_KIB
    part.rows.append(row)
    part.figures["hub_allocated_kib"] = allocated
    for make in (Ours, *(PEERS[name] for name in setting.peers)):
        values = []
        # Each time a new server: what one has freed it would use again.
        for _ in range(setting.pick(ROUNDS if make is Ours else 1, 1)):
            options = (f"--SSEApp.ping_interval={NEVER}",) if make is Ours else ()
            with make(setting, *options) as server:
                values.append(resident_kib(setting, server, count))
                print(f"{server.name:22}{values[-1]:8.2f} KiB", flush=True)
        row = Row(
            f"resident per subscriber: {make.name}", measured=f"{middle(values):.2f} KiB", spread=spread(values, " KiB")
        )
        if make is Ours:
            row.goal, row.reached = f"≤ {GOAL_RESIDENT_KIB:g} KiB", middle(values) <= GOAL_RESIDENT_KIB
        part.rows.append(row)
        part.figures[make.name] = values
    return part


def resident_kib(setting: Setting, server: Server, count: int) -> float:
    """Return by how much a server's resident memory grows for each subscriber."""
    with Readers(setting, server.address, min(WARM_UP, count)):
        time.sleep(SETTLED)
    time.sleep(SETTLED)
    before = resident_bytes(*server.pids)
    with Readers(setting, server.address, count):
        time.sleep(SETTLED)
        return (resident_bytes(*server.pids) - before) / count / 1024


def allocated_kib(count: int) -> float:
    """Return what the hub itself holds for each subscriber, as its allocator counts it."""
    command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", "jupyter-sse-hub", "--example", "memory"]
    answer = subprocess.run(
        [*command, "--", str(count)], cwd=SOURCES.parent, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise RuntimeError(f"expected figures, got {answer.stderr[-1000:]}")
    return json.loads(answer.stdout)["bytes_per_subscriber"] / 1024
