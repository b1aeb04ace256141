"""A notebook in a real JupyterLab in Chromium whose output is watched while a kernel updates it."""

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
from benchmarks.responsive import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.lab import Lab
    from e2e.notebook import Notebook

    from benchmarks.setting import Setting

TESTS = str(Path(__file__).parent.parent / "tests")
SCRIPT = Path(__file__).with_name("page.js")

FRAME_MS, INPUT_MS, LATE_S = 33.4, 100.0, 0.5

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

def pour(send, values, rate, seconds):
    "Send values again and again at the rate, in bursts of a millisecond; print how far that came."
    sent, total = 0, round(rate * seconds)
    start = time.perf_counter()
    while sent < total and time.perf_counter() - start < 1.5 * seconds:
        due = min(total, int((time.perf_counter() - start) * rate) + 1)
        for number in range(sent, due):
            send(values[number % len(values)])
        sent, last = due, time.time() * 1e3
        pause = start + sent / rate - time.perf_counter()
        if pause > 0:
            time.sleep(max(pause, 0.001))
    took = time.perf_counter() - start
    print(json.dumps({"sent": sent, "took": took, "times": [last], "last": last}))
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


@contextmanager
def open_lab(setting: Setting) -> Iterator[Lab]:
    """Give JupyterLab in Chromium, with kernels of both environments."""
    sys.path.insert(0, TESTS)
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
    # What is out of sight is not painted.
    output.evaluate("node => node.scrollIntoView({block: 'center'})")
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
