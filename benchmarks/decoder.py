"""How fast a stream becomes Python objects, beside httpx-sse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import cores_of_servers
from benchmarks.peers import environment
from benchmarks.program import settle
from benchmarks.report import Part, Row, middle, short, spread

if TYPE_CHECKING:
    from benchmarks.setting import Setting

WORKER = Path(__file__).parent / "decode_worker.py"
GOAL, GOAL_RATIO = 1_500_000, 5
ROUNDS = 5


def run(setting: Setting) -> Part:
    """Events/s to Python objects with their data looked at: 100,000 of 120 bytes, in pieces of 64 KiB."""
    pythons = {"jupyter_sse": sys.executable, "httpx-sse": str(environment.python())}
    rates: dict[str, list[float]] = {name: [] for name in pythons}
    for turn in range(setting.pick(ROUNDS, 1)):
        for name, python in pythons.items():
            rates[name].append(rate(python, name))
        print(f"round {turn + 1}", flush=True)
    ours, theirs = middle(rates["jupyter_sse"]), middle(rates["httpx-sse"])
    row = Row("decoder to Python objects", f"≥ {short(GOAL)}/s, {GOAL_RATIO} × httpx-sse", f"{short(ours)}/s")
    row.ratio, row.spread = f"{ours / theirs:.1f} × httpx-sse", spread(rates["jupyter_sse"], "/s")
    row.reached = ours >= GOAL and ours >= GOAL_RATIO * theirs
    other = Row("httpx-sse", measured=f"{short(theirs)}/s", spread=spread(rates["httpx-sse"], "/s"))
    return Part([row, other], {"events_per_second": rates})


def rate(python: str, name: str) -> float:
    """Measure one decoder in a fresh process."""
    answer = subprocess.run(
        [python, str(WORKER), name],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: settle(cores_of_servers(), 0),
    )
    if answer.returncode:
        raise RuntimeError(f"expected a figure of {name}, got {answer.stderr[-1000:]}")
    return float(answer.stdout)
