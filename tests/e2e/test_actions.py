"""What a card's sentences offer: each button does what it says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.card import Card
    from e2e.lab import Lab
    from e2e.notebook import Notebook
    from e2e.screenshot import Screenshots
    from e2e.wire import Wire

THREE = "for n in range(3):\n    yield {'value': n}"

FAILING = """
import time

for n in range(3):
    time.sleep(0.1)
    yield {"value": n}
raise ValueError("bad batch\\nof 3")
"""

# More than the server keeps while the page is away.
QUICK = """%%sse NAME OPTIONS --history 50
import math, time
n = 0
while True:
    n += 1
    yield {"value": math.sin(n / 20)}
    time.sleep(0.01)
"""

LARGE = "%%sse NAME --view raw\nyield ['ä', 'x' * 1_020_000]"


@pytest.fixture
def notebook(lab: Lab, notebook_file: Callable[..., str]) -> Notebook:
    """A notebook with jupyter_sse loaded."""
    return open_loaded(lab, notebook_file)


def open_loaded(lab: Lab, notebook_file: Callable[..., str]) -> Notebook:
    opened = lab.open(notebook_file("actions", load="%load_ext jupyter_sse"))
    opened.run("load")
    return opened


def run_cell(notebook: Notebook, cell_id: str, source: str) -> Card:
    notebook.run(notebook.add(cell_id, source.strip().replace("NAME", notebook.stream_of(cell_id))))
    return notebook.card(cell_id).wait_until_shown()


def take_both(screenshots: Screenshots, notebook: Notebook, name: str) -> None:
    """Take a picture of the page in the light and in the dark theme."""
    for theme in ("Dark", "Light"):
        notebook.set_theme(f"JupyterLab {theme}")
        screenshots.take(notebook.page, f"{name}-{theme.lower()}")


def test_run_again_runs_the_cell_of_the_output(notebook: Notebook, screenshots: Screenshots):
    card = run_cell(notebook, "three", THREE)
    card.wait_for_state("ended")
    # The user is elsewhere, with another cell selected beside it.
    other = notebook.add("other", "print('not run')")
    notebook.cell(other).locator(".jp-InputArea-prompt").click()
    take_both(screenshots, notebook, "run-again")
    card.button("Run again").click()
    card.wait_for_run(2)
    card.wait_for_state("ended")
    assert card.events == 3
    assert notebook.text(other) == ""
    assert notebook.ask("panel.content.activeCell.model.id") == "three"


def test_a_card_says_which_cell_its_stream_comes_from_now(notebook: Notebook):
    upper = run_cell(notebook, "upper", f"%%sse NAME\n{THREE}")
    expect(upper.part("origin")).to_have_text("cell 2 · run 1")
    name = notebook.stream_of("upper")
    lower = run_cell(notebook, "lower", f"%%sse {name}\n{THREE}")
    for card in (upper, lower):
        expect(card.part("origin")).to_have_text("cell 3 · run 2")


def test_a_tracked_loop_ends_after_updates(notebook: Notebook):
    loop = "import jupyter_sse as sse\nfor _ in sse.track(range(200), 'NAME'):\n    pass"
    expect(run_cell(notebook, "loop", loop).locator).to_contain_text(re.compile(r"after \d+ updates"))


def test_run_again_is_absent_where_the_cell_does_not_make_the_stream(notebook: Notebook):
    run_cell(notebook, "three", THREE).wait_for_state("ended")
    name = notebook.stream_of("three")
    widget = run_cell(notebook, "widget", f"import jupyter_sse as sse\nsse.StreamView('{name}')")
    view = run_cell(notebook, "view", f"%sse view {name}")
    for card in (widget, view):
        expect(card.locator).to_contain_text("after 3 events")
        expect(card.button("Run again")).to_have_count(0)


def test_show_error_goes_to_the_traceback_of_the_cell(notebook: Notebook, screenshots: Screenshots):
    card = run_cell(notebook, "failing", FAILING)
    card.wait_for_state("failed")
    expect(card.locator).to_contain_text("ValueError: bad batch…, at line 6 of cell ")
    traceback = notebook.cell("failing").locator(".jp-OutputArea-output", has_text="Traceback")
    expect(traceback).to_be_visible()
    notebook.page.set_viewport_size({"width": 1280, "height": 420})
    card.locator.scroll_into_view_if_needed()
    expect(traceback).not_to_be_in_viewport(ratio=1)
    card.button("Show error").click()
    expect(traceback).to_be_focused()
    expect(traceback.get_by_text("of 3")).to_be_in_viewport()
    take_both(screenshots, notebook, "show-error")


def test_show_error_tells_it_in_the_card_where_there_is_no_traceback(notebook: Notebook, screenshots: Screenshots):
    run_cell(notebook, "failing", FAILING).wait_for_state("failed")
    card = run_cell(notebook, "view", f"%sse view {notebook.stream_of('failing')}")
    expect(card.locator).not_to_contain_text("of 3")
    card.button("Show error").click()
    expect(card.part("details")).to_have_text(re.compile(r"ValueError: bad batch\nof 3\nat line 6 of cell \d+"))
    expect(card.button("Show error")).to_have_count(0)
    take_both(screenshots, notebook, "error-in-card")


@pytest.mark.parametrize(
    ("kind", "options"), [("plot", "--window 2s"), ("log", "--view log"), ("table", "--view table")]
)
def test_show_brings_what_an_outage_has_cost_into_view(
    kind: str, options: str, far_lab: Lab, wire: Wire, notebook_file: Callable[..., str], screenshots: Screenshots
):
    notebook = open_loaded(far_lab, notebook_file)
    card = run_cell(notebook, "quick", QUICK.replace("OPTIONS", options))
    card.wait_for_events(100)
    wire.cut()
    card.wait_for_state("reconnecting")
    expect(card.locator).to_contain_text("Connection lost 3 s ago", timeout=15_000)
    wire.mend()
    card.wait_for_state("live")
    said = re.compile(r"Reconnected\. [\d,]+ events were lost\.")
    expect(card.locator).to_contain_text(said)
    # It moves out of the window.
    card.wait_for_more_events(400)
    assert card.kind == kind
    row = card.locator.locator("[data-kind=gap]")
    if kind == "plot":
        card.wait_for_gap(shown=False)
    else:
        expect(row).not_to_be_in_viewport()
    card.button("Show").click()
    expect(card.part("chip")).to_contain_text("Go live ▸")
    if kind == "plot":
        card.wait_for_gap()
    else:
        expect(row).to_be_in_viewport()
        expect(row).to_contain_text("events were lost")
    take_both(screenshots, notebook, f"show-{kind}")


def test_show_as_log_shows_what_a_plot_cannot(notebook: Notebook, screenshots: Screenshots):
    card = run_cell(notebook, "text", "%%sse NAME --view plot\nyield 'epoch 3 done'")
    expect(card.locator).to_contain_text("“plot” needs numbers; the last event holds text.")
    take_both(screenshots, notebook, "show-as-log")
    card.button("Show as log").click()
    expect(card.part("logText")).to_have_text("epoch 3 done")
    assert card.kind == "log"


def test_download_saves_an_event_that_is_too_large_to_be_drawn(notebook: Notebook, screenshots: Screenshots):
    card = run_cell(notebook, "large", LARGE)
    expect(card.locator).to_contain_text("An event of 1.0 MB is not drawn.")
    take_both(screenshots, notebook, "download")
    with notebook.page.expect_download() as download:
        card.button("Download").click()
    name = notebook.stream_of("large").replace("/", "_")
    assert re.fullmatch(rf"{name}_\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d\.json", download.value.suggested_filename)
    assert json.loads(download.value.path().read_text("utf-8")) == ["ä", "x" * 1_020_000]


def test_card_says_that_nothing_was_lost_and_that_nothing_has_come(
    far_lab: Lab, wire: Wire, notebook_file: Callable[..., str]
):
    notebook = open_loaded(far_lab, notebook_file)
    waiting = run_cell(notebook, "waiting", "import time\ntime.sleep(600)\nyield 1")
    expect(waiting.locator).to_contain_text("Waiting for the first event of “")
    expect(waiting.locator).to_contain_text("No events yet.", timeout=15_000)
    card = run_cell(notebook, "slow", "import time\nwhile True:\n    yield 1\n    time.sleep(0.2)")
    card.wait_for_events(5)
    wire.cut()
    expect(card.locator).to_contain_text("Connection lost 2 s ago", timeout=15_000)
    wire.mend()
    said = card.locator.get_by_text("Reconnected. Nothing was lost.")
    expect(said).to_be_visible(timeout=15_000)
    expect(said).to_be_hidden(timeout=10_000)
