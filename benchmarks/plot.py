"""Points in one plot, the whole way from a kernel into JupyterLab; what minutes of it leave in page and notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.notebook import Way, judged, prepare, record, replace_source, shown_events
from benchmarks.report import Part, Row, short

if TYPE_CHECKING:
    from e2e.lab import Lab
    from e2e.notebook import Notebook

    from benchmarks.setting import Setting


@dataclass(frozen=True)
class Plot:
    """What is drawn in one plot, with 10,000 points of each series in view.

    Attributes:
        series: Lines.
        length: Points of each line in an event; in events of one point those are numbers, else lists.
        rates: Points/s of all lines to be tried.
    """

    series: int
    length: int
    rates: tuple[int, ...]

    @property
    def name(self) -> str:
        """What the table calls it."""
        events = "a point of each an event" if self.length == 1 else f"blocks of {self.length:,}"
        return f"{self.series} × 10k, {events}"

    @property
    def way(self) -> Way:
        """How it is shown."""
        show = (SHOW if self.length == 1 else SHOW_BLOCKS).format(series=self.series, length=self.length)
        return Way(show, is_ours=True, is_canvas=True)


RATES = (20_000, 50_000, 100_000, 200_000, 300_000, 400_000, 600_000, 800_000, 1_000_000)
BLOCK_RATES = (500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 6_000_000, 8_000_000)
PLOTS = (Plot(1, 1, RATES), Plot(20, 1, RATES), Plot(1, 1_000, BLOCK_RATES), Plot(20, 50, BLOCK_RATES))
SECONDS = 5.0
GOAL = 1_000_000

MINUTES_RATE = 1_000
"""Events/s of 20 numbers each, for as long as `--seconds` says."""

PIECE_S = 30.0

SHOW = """
import random
import jupyter_sse as sse
random.seed(1)
values = [{{f"s{{n}}": n + random.random() for n in range({series})}} for _ in range(10_000)]
stream = sse.stream("bench/plot-{series}")
stream.send(values[0])
display(stream.view("plot", window="10000"))
"""

SHOW_BLOCKS = """
import numpy as np
import jupyter_sse as sse
random = np.random.default_rng(1)
# As a converter of 16 bits gives them over 20 V: four decimals.
wave = np.sin(np.arange(100_000) * 0.002 * np.pi) / 4 + random.normal(0, 0.02, ({series}, 100_000))
wave = (wave + np.arange({series})[:, None] * 0.9 - 8.5).round(4)
starts = range(0, 100_000, {length})
values = [{{f"s{{n}}": line[at : at + {length}].copy() for n, line in enumerate(wave)}} for at in starts]
stream = sse.stream("bench/plot-{series}-{length}")
stream.send(values[0])
display(stream.view("plot", window="10000"))
"""


def points(lab: Lab, setting: Setting) -> Part:
    """Raise the points/s of one plot until frames, input or the stream suffer."""
    part = Part()
    for plot in PLOTS:
        notebook = prepare(lab, f"plot-{plot.series}-{plot.length}", plot.way)
        trials = climb(notebook, plot, plot.rates[: setting.pick(len(plot.rates), 2)])
        notebook.page.close()
        part.figures[f"points, {plot.name}"] = trials
        good = [trial["points"] for trial in trials if not trial["gives"]]
        row = Row(f"page: points/s in one plot, {plot.name}")
        row.measured = short(good[-1]) if good else f"< {short(plot.rates[0])}"
        row.ratio = f"then: {trials[-1]['gives']}" if trials[-1]["gives"] else "highest tried"
        if plot.length > 1:
            row.goal, row.reached = f"≥ {short(GOAL)}", bool(good) and good[-1] >= GOAL
        part.rows.append(row)
    return part


def climb(notebook: Notebook, plot: Plot, rates: tuple[int, ...]) -> list[dict[str, Any]]:
    """Raise the rate until something gives; return all trials."""
    trials = []
    for rate in rates:
        events = rate / (plot.series * plot.length)
        found = record(notebook, plot.way, f"pour(stream.send, values, {events}, {SECONDS})")
        trials.append({"points": rate} | judged(events, found, 1.0))
        print(f"{plot.name:38}" + "  ".join(f"{key} {value}" for key, value in trials[-1].items()), flush=True)
        if trials[-1]["gives"]:
            break
    return trials


def minutes(lab: Lab, setting: Setting) -> Part:
    """Measure the page's heap, by V8 after a collection, and the notebook as it is saved, before and after minutes."""
    notebook = prepare(lab, "plot-minutes", Plot(20, 1, ()).way)
    pieces = setting.pick(max(2, round(setting.seconds / PIECE_S)), 2)
    seconds = setting.pick(int(PIECE_S), 2)
    replace_source(notebook, f"pour(stream.send, values, {MINUTES_RATE}, {seconds})")
    sizes = [size(notebook)]
    for piece in range(pieces):
        notebook.run("drive")
        sizes.append(size(notebook))
        told = "  ".join(f"{key} {short(value)}" for key, value in sizes[-1].items())
        print(f"minutes, piece {piece + 1:<10}{told}", flush=True)
    notebook.page.close()
    first, half, last = sizes[0], sizes[len(sizes) // 2], sizes[-1]
    after = f"after {pieces * seconds / 60:.3g} min of {short(20 * MINUTES_RATE)} points/s"
    heap = Row(f"page: heap {after}", measured=f"{last['heap_bytes'] / 1e6:.0f} MB")
    heap.ratio = f"{first['heap_bytes'] / 1e6:.0f} MB before, {half['heap_bytes'] / 1e6:.0f} MB at half time"
    file = Row(f"page: notebook's size {after}", measured=f"{last['file_bytes'] / 1e3:.0f} kB")
    file.ratio = f"{first['file_bytes'] / 1e3:.0f} kB before"
    return Part([heap, file], {"minutes": sizes})


def size(notebook: Notebook) -> dict[str, float]:
    """Save the notebook; return bytes of its file and of the page's heap, and the events so far."""
    notebook.save()
    session = notebook.page.context.new_cdp_session(notebook.page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return {
        "heap_bytes": metrics["JSHeapUsedSize"],
        "file_bytes": (notebook.server.root / notebook.path).stat().st_size,
        "events": shown_events(notebook),
    }
