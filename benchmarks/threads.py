"""Whether more threads of the hub help, where the hub can have more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.fanout import as_json, at_count
from benchmarks.report import Part, Row, middle, short, spread
from benchmarks.server import NEVER, Ours
from jupyter_sse.server.app import SSEApp

if TYPE_CHECKING:
    from benchmarks.setting import Setting

OPTION = "threads"
"""The setting of SSEApp, once there is one."""

THREADS = (1, 2)
COUNTS = (1_000, 10_000)


def run(setting: Setting) -> Part:
    """Sustained deliveries/s by the number of the hub's threads."""
    if OPTION not in SSEApp.class_trait_names():
        return Part([Row("threads of the hub", measured=f"one: SSEApp has no setting {OPTION!r}")])
    part = Part()
    for count in COUNTS[: setting.pick(2, 1)]:
        for threads in THREADS:
            with Ours(setting, f"--SSEApp.ping_interval={NEVER}", f"--SSEApp.{OPTION}={threads}") as ours:
                trials = at_count(setting, [ours], count)[ours.name]
            rates = [trial.deliveries if trial else 0.0 for trial in trials]
            row = Row(f"N = {count:,}, {threads} threads", measured=f"{short(middle(rates))}/s", spread=spread(rates))
            part.rows.append(row)
            part.figures[f"{count} {threads}"] = [as_json(trial) for trial in trials]
    return part
