"""What one message costs the kernel, beside Jupyter's own ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.kernel import linked_kernel
from benchmarks.report import Part, Row, middle, spread

if TYPE_CHECKING:
    from benchmarks.setting import Setting

ROUNDS = 25
"""Rounds; the ways take turns in each, so that a busy moment of the machine hits all of them."""

PREPARE = """
import json, sys, time
from comm import create_comm
from IPython.display import DisplayHandle
from orjson import dumps
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

OURS = "Stream.send, dict of 5 keys"
COMM = "comm.send, the same dict"
WAYS = {
    OURS: ("stream.send(payload)", 20_000),
    "Stream.send, text of 40 characters": ("stream.send('x' * 40)", 20_000),
    "orjson alone, the same dict": ("dumps(payload)", 20_000),
    COMM: ("comm.send(payload)", 300),
    "update_display, the same dict": ("display_handle.update(payload)", 100),
}
GOAL_US = 1.5
GOAL_TIMES = 75


def run(setting: Setting) -> Part:
    """One message, everything included, in µs of the kernel's time."""
    figures: dict[str, list[float]] = {name: [] for name in WAYS}
    with linked_kernel() as (_, kernel):
        kernel.run(PREPARE)
        for _ in range(setting.pick(ROUNDS, 2)):
            for name, (call, count) in WAYS.items():
                figures[name].append(kernel.run(f"print(json.dumps(per_call(lambda: {call}, {count})))"))
                kernel.run("stream.flush()")
                kernel.drain()
    part = Part(figures={"us_per_message": figures})
    for name, values in figures.items():
        row = Row(name, measured=f"{middle(values):.2f} µs", spread=spread(values, " µs"))
        times = middle([value / ours for value, ours in zip(values, figures[OURS], strict=True)])
        if name == OURS:
            row.goal, row.reached = f"≤ {GOAL_US} µs", middle(values) <= GOAL_US
        else:
            row.ratio = f"{times:.3g} × ours"
        if name == COMM:
            row.goal, row.reached = f"≥ {GOAL_TIMES} × ours", times >= GOAL_TIMES
        part.rows.append(row)
    return part
