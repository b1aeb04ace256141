"""How fast readers come in through Jupyter's login, beside the cheapest answer that needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.load import Readers, fetch
from benchmarks.report import Part, Row, middle, short, spread
from benchmarks.server import Ours

if TYPE_CHECKING:
    from benchmarks.setting import Setting

CONNECTIONS = 1_000
INFLIGHT = 16
ROUNDS = 15
"""Many: a second of either is soon disturbed."""

GOAL = 0.9


def run(setting: Setting) -> Part:
    """Connections/s through Jupyter's login: a stream, and GET /api/status on a new connection each."""
    count = setting.pick(CONNECTIONS, 300)
    streams, answers = [], []
    with Ours(setting) as ours:

        def open_streams() -> None:
            with Readers(setting, ours.address, count, "--inflight", str(INFLIGHT)) as readers:
                streams.append(count / readers.ready["seconds"])

        def ask() -> None:
            answers.append(fetch(setting, ours.jupyter.at("api/status"), count, INFLIGHT)["per_second"])

        for number in range(setting.pick(ROUNDS, 1)):
            # Either goes first in turn, for the machine may be getting slower or faster.
            for measure in (open_streams, ask)[:: 1 if number % 2 else -1]:
                measure()
            print(f"streams {streams[-1]:.0f}/s, GET /api/status {answers[-1]:.0f}/s", flush=True)
    ratios = [stream / answer for stream, answer in zip(streams, answers, strict=True)]
    row = Row("streams opened through Jupyter's login", f"≥ {GOAL} × GET", f"{short(middle(streams))}/s")
    row.ratio, row.spread = f"{middle(ratios):.2f} × GET", spread(ratios, " ×")
    row.reached = middle(ratios) >= GOAL
    other = Row(
        "GET /api/status, new connections", measured=f"{short(middle(answers))}/s", spread=spread(answers, "/s")
    )
    return Part([row, other], {"streams_per_second": streams, "answers_per_second": answers})
