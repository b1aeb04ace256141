"""What one message costs the kernel, beside Jupyter's own ways."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.kernel import linked_kernel

ROUNDS = 9
"""Rounds; the ways take turns in each, so that a busy moment of the machine hits all of them."""

PREPARE = """
import json, sys, time
from comm import create_comm
from IPython.display import DisplayHandle
import jupyter_sse as sse

payload = {"step": 1234, "loss": 0.12345, "accuracy": 0.98765, "rate": 0.001, "phase": "train"}
stream = sse.stream("bench/send")
comm = create_comm(target_name="bench")
display_handle = DisplayHandle()
display_handle.display({"text/plain": ""}, raw=True)

def per_call(action, count):
    start = time.perf_counter()
    for _ in range(count):
        action()
    return (time.perf_counter() - start) / count * 1e6
"""

WAYS = {
    "Stream.send, dict of 5 keys": ("stream.send(payload)", 20_000),
    "Stream.send, text of 40 characters": ("stream.send('x' * 40)", 20_000),
    "comm.send, the same dict": ("comm.send(payload)", 300),
    "update_display, the same dict": ("display_handle.update(payload)", 100),
}


def run() -> dict[str, Any]:
    """One message, everything included, in µs of the kernel's time."""
    figures: dict[str, list[float]] = {name: [] for name in WAYS}
    with linked_kernel() as (_, kernel):
        kernel.run(PREPARE)
        for _ in range(ROUNDS):
            for name, (call, count) in WAYS.items():
                figures[name].append(kernel.run(f"print(json.dumps(per_call(lambda: {call}, {count})))"))
                kernel.run("stream.flush()")
                kernel.drain()
    ours = median(figures["Stream.send, dict of 5 keys"])
    print(f"{'':38}{'median µs':>10}{'min':>9}{'max':>9}{'of ours':>9}")
    for name, values in figures.items():
        middle = median(values)
        print(f"{name:38}{middle:10.2f}{min(values):9.2f}{max(values):9.2f}{middle / ours:9.1f}")
    return figures
