"""Points in one plot, the whole way from a kernel into JupyterLab; what minutes of it leave in page and notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.notebook import Way, judged, prepare, record, replace_source, shown_events
from benchmarks.report import Part, Row, short

if TYPE_CHECKING:
    from e2e.lab import Lab
    from e2e.notebook import Notebook

    from benchmarks.setting import Setting

PLOTS = {"1 × 10k": 1, "20 × 10k": 20}
"""How many series, each with so many points in view."""

RATES = (20_000, 50_000, 100_000, 200_000, 300_000, 400_000, 600_000, 800_000, 1_000_000)
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


def points(lab: Lab, setting: Setting) -> Part:
    """Raise the points/s of one plot until frames, input or the stream suffer."""
    part = Part()
    for name, series in PLOTS.items():
        way = Way(SHOW.format(series=series), is_ours=True, is_canvas=True)
        notebook = prepare(lab, f"plot-{series}", way)
        trials = climb(notebook, way, name, series, RATES[: setting.pick(len(RATES), 2)])
        notebook.page.close()
        part.figures[f"points, {name}"] = trials
        good = [trial["points"] for trial in trials if not trial["gives"]]
        row = Row(f"page: points/s in one plot, {name}", goal=f"≥ {short(GOAL)}")
        row.measured = short(good[-1]) if good else f"< {short(RATES[0])}"
        row.ratio = f"then: {trials[-1]['gives']}" if trials[-1]["gives"] else "highest tried"
        row.reached = bool(good) and good[-1] >= GOAL
        part.rows.append(row)
    return part


def climb(notebook: Notebook, way: Way, name: str, series: int, rates: tuple[int, ...]) -> list[dict[str, Any]]:
    """Raise the rate until something gives; return all trials."""
    trials = []
    for rate in rates:
        found = record(notebook, way, f"pour(stream.send, values, {rate / series}, {SECONDS})")
        trials.append({"points": rate} | judged(rate / series, found, 1.0))
        print(f"{name:26}" + "  ".join(f"{key} {value}" for key, value in trials[-1].items()), flush=True)
        if trials[-1]["gives"]:
            break
    return trials


def minutes(lab: Lab, setting: Setting) -> Part:
    """Measure the page's heap, by V8 after a collection, and the notebook as it is saved, before and after minutes."""
    way = Way(SHOW.format(series=20), is_ours=True, is_canvas=True)
    notebook = prepare(lab, "plot-minutes", way)
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
