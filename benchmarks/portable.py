"""The portable path, with TLS in Jupyter itself, beside the plain Tornado handler with TLS."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.fanout import as_json, at_count
from benchmarks.peers.tornado_server import PlainTornado
from benchmarks.report import Part, Row, middle, short, spread
from benchmarks.server import NEVER, Ours, make_certificate

if TYPE_CHECKING:
    from benchmarks.setting import Setting

COUNTS = (100, 1_000)
GOAL = 5


def run(setting: Setting) -> Part:
    """Sustained deliveries/s with TLS in Jupyter; as for fan-out."""
    part = Part()
    certificate = make_certificate(setting.folder)
    with ExitStack() as stack:
        ours = stack.enter_context(Ours(setting, f"--SSEApp.ping_interval={NEVER}", certificate=certificate))
        plain = stack.enter_context(PlainTornado(setting, certificate=certificate))
        for count in COUNTS[: setting.pick(2, 1)]:
            trials = at_count(setting, [ours, plain], count)
            part.figures[str(count)] = {name: [as_json(one) for one in all_] for name, all_ in trials.items()}
            rates = {name: [one.deliveries if one else 0.0 for one in all_] for name, all_ in trials.items()}
            mine, theirs = middle(rates[ours.name]), middle(rates[plain.name])
            row = Row(f"TLS, N = {count:,}: portable path", f"≥ {GOAL} × Tornado", f"{short(mine)}/s")
            row.spread, row.reached = spread(rates[ours.name]), mine >= GOAL * theirs and mine > 0
            row.ratio = f"{mine / theirs:.1f} × Tornado" if theirs else "Tornado: none"
            other = Row(f"TLS, N = {count:,}: {plain.name}", measured=f"{short(theirs)}/s" if theirs else "none")
            other.spread = spread(rates[plain.name])
            part.rows += [row, other]
    return part
