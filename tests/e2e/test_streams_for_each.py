"""The notebook of streams for each reader, in JupyterLab: a view of an address is a reader like any other."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.conftest import NOTEBOOKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.lab import Lab
    from e2e.notebook import Notebook
    from e2e.screenshot import Screenshots


@pytest.fixture
def notebook(lab: Lab, notebook_file: Callable[..., str]) -> Notebook:
    """A copy of the notebook, opened, the cells up to the first function run."""
    path = notebook_file("for-each")
    shutil.copy(NOTEBOOKS / "02-a-stream-for-each.ipynb", lab.server.root / path)
    opened = lab.open(path)
    opened.run("load")
    opened.run("walk")
    return opened


def test_each_view_of_an_address_shows_a_run_of_its_own_over_the_browsers_one_connection(
    notebook: Notebook, screenshots: Screenshots
):
    for name, wildness in (("ada", 1), ("bob", 5)):
        notebook.run(name)
        card = notebook.card(name).wait_until_shown()
        card.wait_for_events(20)
        assert card.kind == "plot"
        # It ends when nobody reads it: there is nothing to stop.
        expect(card.locator.get_by_role("button", name="Stop the stream")).to_have_count(0)
        dice, height = random.Random(name), 0.0
        for step, (_, data) in enumerate(card.data()[:20]):
            height += dice.gauss(0, wildness)
            assert json.loads(data) == {"step": step, "height": pytest.approx(height)}
    screenshots.take(notebook.page, "streams-for-each")
    for name in ("ada", "bob"):
        card = notebook.card(name)
        card.wait_for_state("ended")
        assert (card.events, card.lost) == (400, 0)
