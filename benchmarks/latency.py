"""How long an event takes from send() to its subscriber while the kernel computes."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from benchmarks.kernel import ServedKernel
from benchmarks.load import Readers
from benchmarks.machine import unpin
from benchmarks.report import Part, Row, middle, spread
from benchmarks.server import STREAM, JupyterServer

if TYPE_CHECKING:
    from benchmarks.setting import Setting

RATE = 100
SECONDS = 10
ROUNDS = 3
GOAL_P50_MS, GOAL_P99_MS = 1.0, 5.0

PREPARE = f"""
import time
import jupyter_sse as sse

stream = sse.stream("{STREAM}")
stream.send("hello")
stream.flush()

def compute_until(moment):
    total = 0
    while time.monotonic_ns() < moment:
        total += sum(number * number for number in range(300))
    return total

def send(run, count, rate):
    start = time.monotonic_ns()
    for number in range(1, count + 1):
        compute_until(start + int(number / rate * 1e9))
        stream.send({{"run": run, "n": number, "ts": time.monotonic_ns(), "x": "x" * 70}})
    stream.flush()
"""


def run(setting: Setting) -> Part:
    """From send to subscriber on loopback at 100 events/s, stamped just before send, the kernel computing meanwhile."""
    everywhere = os.sched_getaffinity(0)
    rounds = []
    with ExitStack() as stack:
        server = stack.enter_context(closing(JupyterServer(setting)))
        # Nothing is pinned: it is the whole machine's answer that a user gets.
        unpin(server.pid)
        kernel = stack.enter_context(closing(ServedKernel(server)))
        kernel.run(PREPARE)
        address = server.at(f"sse/{STREAM}@latest")
        readers = stack.enter_context(Readers(setting, address, 1, cores=everywhere))
        for _ in range(setting.pick(ROUNDS, 1)):
            run_number = readers.begin()
            count = RATE * setting.pick(SECONDS, 3)
            kernel.run(f"send({run_number}, {count}, {RATE})")
            found = readers.end(count)
            if found["missing"]:
                raise RuntimeError(f"expected {count} events, got {found}")
            rounds.append({name: found[name] for name in ("p50_ms", "p99_ms", "max_ms")})
            print("  ".join(f"{name} {value:.2f}" for name, value in rounds[-1].items()), flush=True)
    rows = []
    for name, goal in (("p50_ms", GOAL_P50_MS), ("p99_ms", GOAL_P99_MS), ("max_ms", None)):
        values = [one[name] for one in rounds]
        row = Row(f"send → subscriber, kernel computing: {name[:3]}", measured=f"{middle(values):.2f} ms")
        row.spread = spread(values, " ms")
        if goal is not None:
            row.goal, row.reached = f"≤ {goal:g} ms", middle(values) <= goal
        rows.append(row)
    return Part(rows, {"rounds": rounds})
