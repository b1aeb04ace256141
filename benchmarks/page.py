"""The whole way from a kernel into a real JupyterLab in Chromium, beside what else shows live data there."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from benchmarks.peers import environment
from benchmarks.report import Part, Row, short
from benchmarks.responsive import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.lab import Lab
    from e2e.notebook import Notebook

    from benchmarks.setting import Setting

ROOT = Path(__file__).parent.parent
TESTS = str(ROOT / "tests")
SCRIPT = Path(__file__).with_suffix(".js")
PACKAGES = ("anywidget", "bokeh", "ipykernel", "ipywidgets", "jupyter_bokeh", "numpy", "plotly")

RATES = (10, 20, 50, 100, 200, 400, 800, 1_600, 5_000, 20_000)
SECONDS = 5.0
LATENCY_UPDATES = 60
FRAME_MS, INPUT_MS, LATE_S = 33.4, 100.0, 0.5
GOAL_RATE, GOAL_P50_MS, GOAL_P99_MS = 20_000, 20.0, 50.0

PACE = """
import json, time

def due(rate, seconds):
    "Yield each update's number when it is due."
    start = time.perf_counter()
    for number in range(round(rate * seconds)):
        pause = start + number / rate - time.perf_counter()
        if pause > 0.0005:
            time.sleep(pause)
        if time.perf_counter() - start > 1.5 * seconds:
            return
        yield number

def drive(update, rate, seconds):
    "Call update at the rate; print when each call began."
    times = []
    start = time.perf_counter()
    for number in due(rate, seconds):
        times.append(time.time() * 1e3)
        update(number)
    took = time.perf_counter() - start
    print(json.dumps({"sent": len(times), "took": took, "times": times[:200], "last": times[-1]}))
"""


@dataclass(frozen=True)
class Way:
    """One way of showing live data.

    Attributes:
        show: Code of the cell that shows it; defines ``update(number)``.
        is_ours: Whether it runs in the environment of jupyter_sse.
        is_canvas: Whether it is painted by canvas calls, not by the document's nodes.
        shown: What is in the page once it is shown, as a CSS selector.
    """

    show: str
    is_ours: bool = False
    is_canvas: bool = False
    shown: str = "canvas"


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
    sys.path.insert(0, TESTS)
    part = Part()
    with open_lab(setting) as lab:
        for name, way in WAYS.items():
            notebook = prepare(lab, name, way)
            latency = at_rest(notebook, way, setting.pick(LATENCY_UPDATES, 20))
            trials = climb(notebook, way, name, RATES[: setting.pick(len(RATES), 2)])
            notebook.page.close()
            part.figures[name] = {"latency": latency, "trials": trials}
            part.rows += rows(name, way, latency, trials)
    return part


@contextmanager
def open_lab(setting: Setting) -> Iterator[Lab]:
    """Give JupyterLab in Chromium, with kernels of both environments."""
    from e2e.browser import CHROMIUM_ARGUMENTS, chromium_path
    from e2e.lab import Lab
    from playwright.sync_api import sync_playwright
    from running_server import JupyterServer

    jupyter = setting.folder / "page"
    for name, python in (("ours", sys.executable), ("peers", str(environment.PYTHON))):
        kernel = {"argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": name}
        folder = jupyter / "kernels" / name
        folder.mkdir(parents=True)
        folder.joinpath("kernel.json").write_text(json.dumps(kernel | {"language": "python"}))
    path = f"{jupyter}:{environment.FOLDER / 'share' / 'jupyter'}"
    server = JupyterServer(
        "--LabApp.expose_app_in_browser=True", module="jupyterlab", environment={"JUPYTER_PATH": path}
    )
    settings = server.folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    settings.joinpath("notification.jupyterlab-settings").write_text(json.dumps(quiet))
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
            lab = Lab(server, browser)
            yield lab
            browser.close()
    finally:
        server.stop()


def prepare(lab: Lab, name: str, way: Way) -> Notebook:
    """Open a notebook, run its cells, and be ready to record what its output does."""
    sources = {"pace": PACE, "show": way.show, "drive": ""}
    cells = [nbformat.v4.new_code_cell(source, id=cell_id) for cell_id, source in sources.items()]
    kernel = "ours" if way.is_ours else "peers"
    spec = {"kernelspec": {"display_name": kernel, "language": "python", "name": kernel}}
    path = f"{name.replace(' ', '-')}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), lab.server.root / path)
    notebook = lab.open(path)
    notebook.run("pace")
    notebook.run("show")
    output = notebook.cell("show").locator(".jp-Cell-outputWrapper")
    output.locator(way.shown).first.wait_for(state="attached")
    notebook.page.evaluate(SCRIPT.read_text())
    notebook.ask("benchRecorder.listen(panel.sessionContext.session.kernel)")
    return notebook


def record(notebook: Notebook, way: Way, code: str) -> dict[str, Any]:
    """Run code that drives the updates, moving the mouse meanwhile; return what the page and the kernel say."""
    page = notebook.page
    area = notebook.cell("show").locator(".jp-Cell-outputWrapper").element_handle()
    page.evaluate("([node, byCanvas]) => benchRecorder.start(node, byCanvas)", [area, way.is_canvas])
    before = shown_events(notebook) if way.is_ours else 0
    replace_source(notebook, code)
    notebook.ask("panel.content.activeCellIndex = 2")
    page.evaluate("() => void globalThis.jupyterapp.commands.execute('notebook:run-cell')")
    x = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        x = (x + 37) % 400
        page.mouse.move(400 + x, 500)
        time.sleep(0.1)
        if not notebook.is_running("drive") and notebook.text("drive"):
            break
    # What is still on the way may come.
    page.wait_for_timeout(1_500)
    found = page.evaluate("benchRecorder.stop()")
    found["kernel"] = json.loads(notebook.text("drive").strip().splitlines()[-1])
    found["arrived"] = shown_events(notebook) - before if way.is_ours else found["messages"]
    return found


def replace_source(notebook: Notebook, code: str) -> None:
    """Put code into the cell that drives, and forget what it printed."""
    notebook.page.evaluate(
        """code => {
            const panel = globalThis.jupyterapp.shell.currentWidget;
            const model = panel.content.widgets[2].model;
            model.sharedModel.setSource(code);
            model.outputs.clear();
        }""",
        code,
    )


def shown_events(notebook: Notebook) -> int:
    """Return how many events the model of our card has got."""
    return notebook.page.evaluate("() => document.querySelector('.jp-Notebook .jp-SseView')?.sseModel?.events ?? 0")


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


def judged(rate: int, found: dict[str, Any], per_update: float) -> dict[str, Any]:
    """Return a trial's figures and what gives, if anything."""
    frames = found["frames"]
    intervals = [after - before for before, after in pairwise(frames)]
    sent, took = found["kernel"]["sent"], found["kernel"]["took"]
    trial = {
        "rate": rate,
        "frame_p95_ms": round(percentile(intervals, 95), 1),
        "input_p95_ms": round(percentile(found["inputs"], 95), 1) if len(found["inputs"]) > 1 else 0.0,
        "kept": round(sent / took / rate, 3),
        "arrived": round(found["arrived"] / per_update / max(1, sent), 4),
        "late_s": round(max(0.0, (found["paints"][-1] if found["paints"] else 0) - found["kernel"]["last"]) / 1e3, 2),
    }
    checks = {
        "frame": trial["frame_p95_ms"] < FRAME_MS,
        "input": trial["input_p95_ms"] < INPUT_MS,
        "rate": trial["kept"] >= 0.9,
        "loss": trial["arrived"] >= 0.99,
        "late": trial["late_s"] < LATE_S,
    }
    return trial | {"gives": ", ".join(name for name, is_good in checks.items() if not is_good)}


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
