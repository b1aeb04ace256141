"""The whole way from a kernel into a real JupyterLab in Chromium, beside what else shows live data there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import plot
from benchmarks.notebook import Way, judged, open_lab, prepare, record
from benchmarks.peers import environment
from benchmarks.report import Part, Row, short
from benchmarks.responsive import percentile

if TYPE_CHECKING:
    from e2e.notebook import Notebook

    from benchmarks.setting import Setting

PACKAGES = ("anywidget", "bokeh", "ipykernel", "ipywidgets", "jupyter_bokeh", "numpy", "plotly")

RATES = (10, 20, 50, 100, 200, 400, 800, 1_600, 5_000, 20_000)
SECONDS = 5.0
LATENCY_UPDATES = 60
GOAL_RATE, GOAL_P50_MS, GOAL_P99_MS = 20_000, 20.0, 50.0

WAYS = {
    "jupyter_sse": Way(
        """
import jupyter_sse as sse
stream = sse.stream("bench/page")
stream.send({"value": 0.0})
stream.view()
def update(number):
    stream.send({"value": number % 100 / 100})
display(stream.view())
""",
        is_ours=True,
        is_canvas=True,
    ),
    "ipywidgets FloatText": Way(
        """
import ipywidgets
box = ipywidgets.FloatText()
def update(number):
    box.value = float(number + 1)
display(box)
""",
        shown="input",
    ),
    "update_display of HTML": Way(
        """
from IPython.display import HTML, display
handle = display(HTML("<b>0</b>"), display_id=True)
def update(number):
    handle.update(HTML(f"<b>{number}</b>"))
""",
        shown="b",
    ),
    "Bokeh push_notebook": Way(
        """
from bokeh.io import output_notebook, push_notebook, show
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from bokeh.resources import INLINE
output_notebook(INLINE, hide_banner=True)
source = ColumnDataSource({"x": [0.0], "y": [0.0]})
plot = figure(width=800, height=300)
plot.line("x", "y", source=source)
handle = show(plot, notebook_handle=True)
def update(number):
    source.stream({"x": [number], "y": [number % 100]}, rollover=1000)
    push_notebook(handle=handle)
""",
        is_canvas=True,
    ),
    "Plotly FigureWidget": Way(
        """
import plotly.graph_objects as go
figure = go.FigureWidget(go.Scatter(y=[0.0] * 1000), layout={"width": 800, "height": 300})
values = [0.0] * 1000
def update(number):
    values.append(number % 100)
    figure.data[0].y = values[-1000:]
display(figure)
""",
        shown=".main-svg",
    ),
}


def run(setting: Setting) -> Part:
    """Highest updates/s with p95 frame < 33 ms, input < 100 ms and nothing lost; update → paint at rest."""
    environment.python(*PACKAGES)
    part = Part()
    with open_lab(setting) as lab:
        for name, way in WAYS.items():
            notebook = prepare(lab, name, way)
            latency = at_rest(notebook, way, setting.pick(LATENCY_UPDATES, 20))
            trials = climb(notebook, way, name, RATES[: setting.pick(len(RATES), 2)])
            notebook.page.close()
            part.figures[name] = {"latency": latency, "trials": trials}
            part.rows += rows(name, way, latency, trials)
        for found in (plot.points(lab, setting), plot.minutes(lab, setting)):
            part.rows += found.rows
            part.figures |= found.figures
    return part


def at_rest(notebook: Notebook, way: Way, count: int) -> dict[str, Any]:
    """Return how long single updates take to be painted, ms, and how many messages an update is."""
    found = record(notebook, way, f"drive(update, 5, {count / 5})")
    paints = found["paints"]
    times = found["kernel"]["times"]
    delays = [next((paint for paint in paints if paint >= sent), None) for sent in times]
    delays = [paint - sent for paint, sent in zip(delays, times, strict=True) if paint is not None]
    known = len(delays) >= 2
    return {
        "p50_ms": percentile(delays, 50) if known else None,
        "p99_ms": percentile(delays, 99) if known else None,
        "painted": len(delays),
        "messages_per_update": found["arrived"] / max(1, found["kernel"]["sent"]),
    }


def climb(notebook: Notebook, way: Way, name: str, rates: tuple[int, ...]) -> list[dict[str, Any]]:
    """Raise the rate until something gives; return all trials."""
    per_update = 1.0
    trials = []
    for rate in rates:
        found = record(notebook, way, f"drive(update, {rate}, {SECONDS})")
        if not trials and not way.is_ours:
            # How many messages an update is, is known from the slowest rate.
            per_update = max(1.0, found["arrived"] / max(1, found["kernel"]["sent"]))
        trials.append(judged(rate, found, per_update))
        told = "  ".join(f"{key} {value}" for key, value in trials[-1].items())
        print(f"{name:26}{told}", flush=True)
        if trials[-1]["gives"]:
            break
    return trials


def rows(name: str, way: Way, latency: dict[str, Any], trials: list[dict[str, Any]]) -> list[Row]:
    """Return a way's rows."""
    good = [trial["rate"] for trial in trials if not trial["gives"]]
    rate = Row(f"page: {name}, updates/s", measured=short(good[-1]) if good else f"< {trials[0]['rate']}")
    rate.ratio = f"then: {trials[-1]['gives']}" if trials[-1]["gives"] else "highest tried"
    rest = Row(f"page: {name}, update → paint")
    if latency["p50_ms"] is not None:
        rest.measured = f"p50 {latency['p50_ms']:.0f} ms, p99 {latency['p99_ms']:.0f} ms"
    if way.is_ours:
        rate.goal, rate.reached = f"≥ {short(GOAL_RATE)}", bool(good) and good[-1] >= GOAL_RATE
        rest.goal = f"p50 ≤ {GOAL_P50_MS:g} ms, p99 ≤ {GOAL_P99_MS:g} ms"
        rest.reached = bool(rest.measured) and latency["p50_ms"] <= GOAL_P50_MS and latency["p99_ms"] <= GOAL_P99_MS
    return [rate, rest]
