"""A kernel that sends as fast as it can, into a history that holds everything, and one subscriber who gets all."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from benchmarks.kernel import linked_kernel

EVENTS = 1_000_000
EVENT_BYTES = 150

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


def resident_mib(pid: int | str = "self") -> float:
    """Return a process's resident memory in MiB."""
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096 / 2**20


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


def run() -> dict[str, Any]:
    """1,000,000 events of 150 bytes from one kernel to one subscriber, none lost, in order."""
    with linked_kernel() as (hub, kernel):
        before = resident_mib(), resident_mib(kernel.pid)
        sending = kernel.start(SEND)
        count, wrong, seconds = read_all(hub)
        sending.join()
        after = resident_mib(), resident_mib(kernel.pid)
    rate = count / seconds
    print(f"{count:,} events in {seconds:.2f} s: {rate:,.0f}/s, {wrong} out of order")
    print(f"resident memory grew by {after[0] - before[0]:.0f} MiB in the hub's process (history and reader)", end="")
    print(f" and by {after[1] - before[1]:.0f} MiB in the kernel")
    return {
        "events": count,
        "wrong": wrong,
        "seconds": seconds,
        "hub_mib": after[0] - before[0],
        "kernel_mib": after[1] - before[1],
    }
