"""Events that hold a block of points each, as data acquisition yields them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.card import Card
    from e2e.lab import Lab
    from e2e.notebook import Notebook
    from e2e.screenshot import Screenshots

MIME_TYPE = "application/vnd.jupyter-sse.v1+json"
BLOCKS, LENGTH = 40, 500

SCOPE = f"""
import numpy as np, time

clock = np.arange(0, {LENGTH}) / 10_000
for block in range({BLOCKS}):
    t = clock + block * {LENGTH} / 10_000
    voltage = np.sin(2 * np.pi * 3 * t).round(4)
    voltage[0] = np.nan
    yield {{"t": t, "voltage": voltage, "current": (voltage / 2).astype(np.float32), "range": "10 V"}}
    time.sleep(0.02)
"""

AUDIO = f"""
import numpy as np

samples = np.arange({BLOCKS * LENGTH}, dtype=np.int16).reshape({LENGTH}, {BLOCKS}).T
for block in samples:
    yield {{"left": block, "right": -block}}
"""


@pytest.fixture
def notebook(lab: Lab, notebook_file: Callable[..., str]) -> Notebook:
    """A notebook with cells that yield blocks."""
    opened = lab.open(notebook_file("blocks", load="%load_ext jupyter_sse", scope=SCOPE, audio=AUDIO))
    opened.run("load")
    return opened


def finish(notebook: Notebook, cell_id: str) -> Card:
    """Wait until all blocks of a cell are shown."""
    card = notebook.card(cell_id).wait_until_shown()
    card.wait_for_events(BLOCKS)
    card.wait_for_state("ended")
    return card


def points(card: Card, name: str) -> tuple[list[float], list[float | None]]:
    """Return x and y of a line as the page has them, None where it is broken."""
    x, y = card.locator.evaluate(
        """(node, name) => {
            const { x, y } = node.sseModel.points(name);
            return [[...x], [...y].map(value => Number.isNaN(value) ? null : value)];
        }""",
        name,
    )
    return x, y


def check_scope(card: Card) -> None:
    assert card.kind == "plot"
    assert set(card.legend()) == {"voltage", "current"}
    t = (np.arange(LENGTH) / 10_000 + np.arange(BLOCKS)[:, None] * LENGTH / 10_000).ravel()
    expected = np.sin(2 * np.pi * 3 * t).round(4)
    expected[::LENGTH] = np.nan
    for name, scale in (("voltage", 1.0), ("current", 0.5)):
        x, y = points(card, name)
        assert x == t.tolist()
        np.testing.assert_allclose(np.array(y, dtype=float), expected * scale, rtol=1e-6)


def test_blocks_of_arrays_are_drawn_point_by_point_and_the_same_after_a_reload(
    notebook: Notebook, screenshots: Screenshots
):
    notebook.run("scope")
    card = finish(notebook, "scope")
    check_scope(card)
    expect(card.locator.get_by_role("img")).to_have_attribute("aria-label", re.compile("^Plot of 2 series"))
    card.wait_until_painted()
    screenshots.take(notebook.page, "blocks")
    notebook.save()
    notebook.reload()
    card = finish(notebook, "scope")
    check_scope(card)
    card.wait_until_painted()


def test_axis_of_blocks_without_x_counts_their_points(notebook: Notebook):
    notebook.run("audio")
    card = finish(notebook, "audio")
    expected = np.arange(BLOCKS * LENGTH).reshape(LENGTH, BLOCKS).T.ravel()
    for name, sign in (("left", 1), ("right", -1)):
        assert points(card, name) == (list(range(1, BLOCKS * LENGTH + 1)), (sign * expected).tolist())
    card.locator.get_by_role("button", name="More…", exact=True).click()
    expect(notebook.page.get_by_role("menuitemcheckbox", name="X axis: point number")).to_be_checked()
    notebook.page.keyboard.press("Escape")


def test_picture_of_blocks_is_what_the_page_draws(notebook: Notebook):
    notebook.run("scope")
    finish(notebook, "scope")
    handle = notebook.page.wait_for_function(
        "type => jupyterapp.shell.currentWidget.content.widgets.find(cell => cell.model.id === 'scope')"
        ".model.outputs.toJSON().map(output => output.data?.[type]?.snapshot)"
        f".find(found => found?.series?.[0]?.x.at(-1) > {(BLOCKS - 0.1) * LENGTH / 10_000})",
        arg=MIME_TYPE,
    )
    snapshot: dict[str, Any] = handle.json_value()
    assert snapshot["x"] == {"name": "t", "is_time": False}
    assert [one["name"] for one in snapshot["series"]] == ["voltage", "current"]
    assert max(y for y in snapshot["series"][0]["y"] if y is not None) == 1
