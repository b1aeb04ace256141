"""What a saved notebook shows: live again where it may, a picture where nothing is live, nothing of a stranger's."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from curl import Curl
from nbconvert import HTMLExporter
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from running_server import JupyterServer

    from e2e.lab import Lab
    from e2e.notebook import Notebook
    from e2e.screenshot import Screenshots

MIME_TYPE = "application/vnd.jupyter-sse.v1+json"
LARGEST_BUNDLE_BYTES = 64_000

CELLS = {
    "load": "%load_ext jupyter_sse",
    "plot": "import math, time\nn = 0\nwhile True:\n    n += 1\n"
    "    yield {'sin': math.sin(n / 20), 'cos': math.cos(n / 20)}\n    time.sleep(0.02)",
    "orders": "for n in range(50):\n    yield {'order': f'A-{n}', 'city': 'Ulm', 'country': 'DE', 'paid': n % 2 == 0}",
    "log": "for n in range(50):\n    yield f'line {n} <b>not bold</b>'",
}


@pytest.fixture
def saved(lab: Lab, notebook_file: Callable[..., str]) -> Notebook:
    """A notebook with a live plot, an ended table and an ended log, saved when all three have their pictures."""
    notebook = lab.open(notebook_file("original", **CELLS))
    for cell_id in CELLS:
        notebook.run(cell_id)
    for cell_id in ("plot", "orders", "log"):
        notebook.page.wait_for_function(
            "type => jupyterapp.shell.currentWidget.content.widgets"
            ".find(cell => cell.model.id === type[1]).model.outputs.toJSON()"
            ".some(output => output.data?.[type[0]]?.snapshot)",
            arg=[MIME_TYPE, cell_id],
        )
    notebook.save()
    return notebook


def copy_notebook(
    server: JupyterServer, saved: Notebook, prefix: str, change: Callable[[Any], None] | None = None
) -> str:
    content = json.loads((server.root / saved.path).read_text())
    if change is not None:
        change(content)
    path = f"{prefix}-of-{saved.path}"
    (server.root / path).write_text(json.dumps(content))
    return path


def test_saved_notebook_connects_again_without_help_of_a_kernel(lab: Lab, saved: Notebook):
    with Curl(saved.url_of("plot")) as curl:
        # Another notebook to Jupyter, whose kernel knows nothing of any stream.
        copy = lab.open(copy_notebook(lab.server, saved, "copy"))
        card = copy.card("plot").wait_until_shown()
        count = card.wait_for_events(saved.card("plot").events + 10)
        card.wait_for_state("live")
        card.check_same_as(curl.wait_for(count))
    assert copy.run_code("import sys; print('jupyter_sse' in sys.modules)") == "False\n"
    for cell_id in ("orders", "log"):
        copy.card(cell_id).wait_until_shown().wait_for_events(50)


def test_static_viewer_shows_a_bounded_picture_and_a_line_of_text_and_no_script(
    lab: Lab, saved: Notebook, screenshots: Screenshots
):
    path = lab.server.root / saved.path
    outputs = {cell["id"]: cell["outputs"] for cell in json.loads(path.read_text())["cells"]}
    for cell_id in ("plot", "orders", "log"):
        (output,) = outputs[cell_id]
        assert len(json.dumps(output["data"])) <= LARGEST_BUNDLE_BYTES
        assert "".join(output["data"]["text/plain"]).startswith(f"Stream {saved.stream_of(cell_id)} (")
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(nbformat.read(path, as_version=4))
    assert "<script" not in body.replace("<b>not bold</b>", "")
    assert "<svg" in body
    assert "<table" in body
    assert "<b>not bold</b>" not in body
    assert "Traceback" not in body
    page = lab.new_tab()
    page.set_content(body)
    expect(page.locator("svg")).to_be_visible()
    for cell_id in ("plot", "orders", "log"):
        caption = page.get_by_text(
            re.compile(rf"Stream {saved.stream_of(cell_id)} \(cell \d+, run 1\): [\d,]+ events, ")
        )
        expect(caption).to_be_visible()
    screenshots.take(page, "static-viewer")


def test_notebook_of_a_stranger_connects_to_nothing_until_it_is_trusted(
    lab: Lab, saved: Notebook, screenshots: Screenshots
):
    def change(content: dict[str, Any]) -> None:
        content["cells"][0]["source"] = "# somebody else's"
        for cell in content["cells"]:
            cell["metadata"].pop("trusted", None)

    stranger = lab.open(copy_notebook(lab.server, saved, "stranger", change))
    card = stranger.cell("plot").locator(".jp-SseView")
    expect(card).to_contain_text("Live views are off until you trust this notebook.")
    screenshots.take(stranger.page, "stranger")
    # A tab that has asked for nothing has not even looked for the one that holds the connection.
    assert stranger.connection()["holder"] is None
    card.get_by_role("button", name="Trust…").click()
    stranger.dismiss_dialog()
    live = stranger.card("plot").wait_until_shown()
    live.wait_for_state("live")
    live.wait_for_events(10)
    assert stranger.connection()["holder"] == "worker"


def test_saved_notebook_whose_stream_is_gone_shows_the_picture_and_says_so(
    lab: Lab, saved: Notebook, screenshots: Screenshots
):
    def rename(content: dict[str, Any]) -> None:
        for cell in content["cells"]:
            for output in cell["outputs"]:
                if MIME_TYPE in output.get("data", {}):
                    output["data"][MIME_TYPE]["stream"] += "-of-another-server"

    gone = lab.open(copy_notebook(lab.server, saved, "gone", rename))
    gone.trust()
    for cell_id in ("plot", "orders", "log"):
        card = gone.card(cell_id).wait_until_shown()
        card.wait_for_state("unknown")
        expect(card.locator).to_contain_text("Last saved ")
        expect(card.locator).to_contain_text("Run the cell")
    screenshots.take(gone.page, "gone")
