"""The views: what is chosen, what a user may ask for, and what goes into an ipywidgets layout."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Response

    from e2e.card import Card
    from e2e.lab import Lab
    from e2e.notebook import Notebook
    from e2e.screenshot import Screenshots

OWN = """
import time

n = 0
ended = globals().get("ended", [])
try:
    while True:
        n += 1
        yield {"value": n}
        time.sleep(0.05)
finally:
    ended.append(n)
"""

LOSS = """
%%sse NAME --view plot --x step --y loss,accuracy --window 100
import time

for step in range(10_000):
    yield {"step": step, "loss": 1 / (step + 1), "accuracy": 1 - 1 / (step + 1), "rate": 0.001}
    time.sleep(0.01)
"""

WIDGETS = """
from ipywidgets import HBox
import jupyter_sse as sse

left, right = sse.StreamView("NAME"), sse.StreamView("NAME", kind="table", height=200)
HBox([left, right])
"""

TRACK = """
import time
import jupyter_sse as sse

for batch in sse.track(range(40), "NAME"):
    time.sleep(0.05)
"""

KINDS = {
    "plot": ("plot", 'yield {"a": 1.5, "b": 2}'),
    "log": ("log", 'yield "epoch 3 done"'),
    "message": ("log", 'yield {"level": "WARNING", "msg": "hot"}'),
    "table": ("table", 'yield {"order": "A-1", "city": "Ulm", "country": "DE", "paid": True}'),
    "value": ("value", "yield True"),
    "number": ("value", "yield 0.31"),
    "progress": ("progress", 'yield {"n": 3, "total": 10}'),
    "raw": ("raw", 'yield {"nested": {"deep": {"deeper": [1, {"a": 2}]}}}'),
}


# The ticks of an axis are told apart, however near its numbers are, and however far.
SIZES = {
    "near": "1e16, 1e16 + 2",
    "nearer": "2**62, 2**62 + 512",
    "far": "-1e299, 1e299",
    "beyond": "1, -1.7e308, 1.7e308, 2",
    "tiny": "0, 5e-324",
}


@pytest.fixture
def notebook(lab: Lab, notebook_file: Callable[..., str]) -> Notebook:
    """A notebook with jupyter_sse loaded."""
    opened = lab.open(notebook_file("views", load="%load_ext jupyter_sse"))
    opened.run("load")
    return opened


def run_cell(notebook: Notebook, cell_id: str, source: str) -> Card:
    notebook.run(notebook.add(cell_id, source.strip().replace("NAME", notebook.stream_of(cell_id))))
    return notebook.card(cell_id).wait_until_shown()


def test_running_a_cell_again_ends_its_old_run_first_and_keeps_one_card(notebook: Notebook):
    notebook.run(notebook.add("ended", "ended = []"))
    card = run_cell(notebook, "own", OWN)
    card.wait_for_events(3)
    for run in (2, 3):
        notebook.run("own")
        assert len(notebook.run_code("print('x' * len(ended))").strip()) == run - 1
        card.wait_until_shown()
        card.wait_for_run(run)
        assert card.wait_for_events(3) < 1000
        assert [data for _, data in card.data()][:3] == ['{"value":1}', '{"value":2}', '{"value":3}']


def test_kind_of_view_fits_the_events(notebook: Notebook):
    for cell_id, (kind, source) in KINDS.items():
        card = run_cell(notebook, cell_id, source)
        card.wait_for_state("ended")
        assert card.kind == kind, cell_id


def test_options_of_the_magic_choose_view_axis_lines_and_window(notebook: Notebook):
    card = run_cell(notebook, "loss", LOSS)
    card.wait_for_events(20)
    assert card.kind == "plot"
    assert set(card.legend()) == {"loss", "accuracy"}
    expect(card.locator.get_by_role("button", name="Window")).to_contain_text("100")


def test_stream_views_in_a_box_are_live_and_report_to_the_kernel(notebook: Notebook, screenshots: Screenshots):
    card = run_cell(notebook, "own", OWN)
    card.wait_for_events(3)
    source = WIDGETS.replace("NAME", notebook.stream_of("own"))
    notebook.run(notebook.add("box", source))
    cards = notebook.cards("box", 2)
    for one in cards:
        one.wait_for_events(card.events + 5)
        one.wait_for_state("live")
    assert [one.kind for one in cards] == ["plot", "table"]
    left, right = (one.locator.bounding_box() for one in cards)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    screenshots.take(notebook.page, "widgets")
    wait_for_print(notebook, "print(left.state, left.events > 5, right.events > 5)", "live True True")
    notebook.run_code("right.kind = 'value'\nright.height = 300")
    expect(cards[1].locator.locator("button[data-kind=value]")).to_be_visible()


def wait_for_print(notebook: Notebook, code: str, expected: str) -> None:
    """Run code until it prints what is expected: the kernel hears of traits between two cells."""
    deadline = time.monotonic() + 30
    while (printed := notebook.run_code(code).strip()) != expected:
        assert time.monotonic() < deadline, printed


def test_plot_draws_numbers_of_any_size_and_distance(notebook: Notebook):
    for cell_id, values in SIZES.items():
        card = run_cell(notebook, cell_id, f"%%sse NAME --view plot\nfor n in ({values}):\n    yield {{'value': n}}")
        card.wait_for_state("ended")
        card.locator.scroll_into_view_if_needed()
        expect(card.locator.get_by_role("img")).to_have_attribute("aria-label", re.compile("^Plot of 1 series"))
        card.wait_until_painted()


def test_track_shows_the_progress_of_a_loop_while_it_runs(notebook: Notebook):
    cell_id = notebook.add("track", TRACK.replace("NAME", notebook.stream_of("track")))
    notebook.start(cell_id)
    card = notebook.card(cell_id).wait_until_shown()
    card.wait_for_events(5)
    assert notebook.is_running(cell_id)
    assert card.kind == "progress"
    notebook.wait_until_run(cell_id)
    card.wait_for_state("ended")
    expect(card.locator).to_contain_text("40 / 40")


def test_magics_list_view_and_stop_a_stream_of_another_notebook(
    lab: Lab, notebook: Notebook, notebook_file: Callable[..., str]
):
    other = lab.open(notebook_file("other", load="%load_ext jupyter_sse", own=OWN))
    other.run("load")
    other.run("own")
    name = other.stream_of("own")
    notebook.run(notebook.add("list", "%sse list"))
    expect(notebook.cell("list").get_by_role("cell", name=name)).to_be_visible()
    card = run_cell(notebook, "view", f"%sse view {name} --view table")
    card.wait_for_events(5)
    card.wait_for_state("live")
    assert card.kind == "table"
    notebook.run_code(f"%sse stop {name}")
    card.wait_for_state("stopped")
    other.card("own").wait_for_state("stopped")


def test_error_in_a_generator_is_shown_in_its_cell_and_on_its_card(notebook: Notebook):
    source = (
        "import time\nfor n in range(5):\n    time.sleep(0.3)\n    yield {'value': n}\nraise ValueError('bad batch')"
    )
    card = run_cell(notebook, "failing", source)
    card.wait_for_state("failed")
    expect(card.locator).to_contain_text("ValueError: bad batch")
    traceback = notebook.cell("failing").locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']")
    expect(traceback).to_contain_text("raise ValueError('bad batch')")
    expect(traceback).to_contain_text("line 5")


def is_table_saved(response: Response) -> bool:
    """Tell whether this is the workspace with the choice in it, and not one that was on its way before."""
    request = response.request
    return "/api/workspaces/" in response.url and '"kind":"table"' in (request.post_data or "")


def test_choices_in_the_card_survive_a_reload(notebook: Notebook):
    card = run_cell(notebook, "own", OWN)
    card.wait_for_events(3)
    notebook.save()
    card.locator.get_by_role("button", name="View: Plot").click()
    with notebook.page.expect_response(is_table_saved):
        notebook.page.get_by_role("menuitem", name="Table").click()
    expect(card.locator.locator("button[data-kind=table]")).to_be_visible()
    notebook.reload()
    card = notebook.card("own").wait_until_shown()
    expect(card.locator.locator("button[data-kind=table]")).to_be_visible()


def test_pause_freezes_the_picture_and_loses_nothing(notebook: Notebook):
    card = run_cell(notebook, "own", OWN)
    card.wait_for_events(5)
    card.locator.get_by_role("button", name="Pause").click()
    card.wait_for_state("paused")
    before = card.picture()
    card.wait_for_more_events(20)
    assert card.picture() == before
    # Nor does it take in what came when it is drawn anew.
    width = card.canvas().evaluate("canvas => canvas.width")
    for change in (-200, 0):
        card.page.set_viewport_size({"width": 1280 + change, "height": 900})
        card.page.wait_for_function(
            "([canvas, width]) => canvas.width === width", arg=[card.canvas().element_handle(), width + change]
        )
    assert card.picture() == before
    expect(card.part("state")).to_contain_text("new")
    card.locator.get_by_role("button", name="Resume").click()
    card.wait_for_state("live")
    card.page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before", arg=[card.canvas().element_handle(), before]
    )
