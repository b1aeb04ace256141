"""A kernel that sends as fast as it can, into a history that holds everything, and one subscriber who gets all."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from benchmarks.kernel import linked_kernel
from benchmarks.machine import MIB, resident_bytes
from benchmarks.report import Part, Row, middle, short, spread

if TYPE_CHECKING:
    from benchmarks.setting import Setting

EVENTS = 1_000_000
EVENT_BYTES = 150
ROUNDS = 3
GOAL = 500_000

SEND = f"""
import json, time
import jupyter_sse as sse

stream = sse.stream("bench/sustained", history={EVENTS})
text = "x" * {EVENT_BYTES - 20}
start = time.perf_counter()
for number in range({EVENTS}):
    stream.send(f"{{number:010d}} {{text}}")
queued = time.perf_counter() - start
stream.flush()
print(json.dumps([queued, time.perf_counter() - start]))
"""


def read_all(hub: Any) -> tuple[int, int, float]:
    """Read the stream until its last event; return events, errors in their order, and the seconds it took."""
    near, far = socket.socketpair()
    hub.attach(hub.subscribe(["bench/sustained"], single=True, wait=True), near.detach(), b"")
    count, wrong, tail = 0, 0, b""
    start = time.perf_counter()
    far.settimeout(60)
    while count < EVENTS:
        *blocks, tail = (tail + far.recv(1 << 20)).split(b"\n\n")
        for block in blocks:
            at = block.find(b"data: ")
            if at >= 0:
                wrong += int(block[at + 6 : at + 16]) != count
                count += 1
    far.close()
    return count, wrong, time.perf_counter() - start


def one_round() -> dict[str, float]:
    """Send everything once, from a new kernel to a new hub."""
    with linked_kernel() as (hub, kernel):
        before = resident_bytes(os.getpid()), resident_bytes(kernel.pid)
        sending = kernel.start(SEND)
        count, wrong, seconds = read_all(hub)
        sending.join()
        after = resident_bytes(os.getpid()), resident_bytes(kernel.pid)
    return {
        "events_per_second": count / seconds,
        "wrong": wrong,
        "hub_mib": (after[0] - before[0]) / MIB,
        "kernel_mib": (after[1] - before[1]) / MIB,
    }


def run(setting: Setting) -> Part:
    """1,000,000 events of 150 bytes from one kernel to one subscriber, none lost, in order."""
    rounds = []
    for _ in range(setting.pick(ROUNDS, 1)):
        rounds.append(one_round())
        print(", ".join(f"{name} {short(value)}" for name, value in rounds[-1].items()), flush=True)
    rates = [one["events_per_second"] for one in rounds]
    wrong = sum(one["wrong"] for one in rounds)
    row = Row("one kernel → one subscriber, complete", f"≥ {short(GOAL)}/s", f"{short(middle(rates))}/s")
    row.spread, row.reached = spread(rates, "/s"), wrong == 0 and middle(rates) >= GOAL
    row.ratio = f"{wrong} out of order"
    memory = Row("  memory for it", measured=f"kernel +{middle([one['kernel_mib'] for one in rounds]):.0f} MiB")
    memory.ratio = f"hub and reader +{middle([one['hub_mib'] for one in rounds]):.0f} MiB (holds all 1,000,000)"
    return Part([row, memory], {"rounds": rounds})
