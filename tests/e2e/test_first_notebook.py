"""What a user does first: the first notebook, from its first cell to its end."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from curl import Curl
from running_server import wait_until

from e2e.card import GONE
from e2e.conftest import NOTEBOOKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from running_server import JupyterServer

    from e2e.lab import Lab
    from e2e.notebook import Notebook
    from e2e.screenshot import Screenshots

KEYS = {"cpu %", "memory %", "disk MB/s", "network MB/s"}


@pytest.fixture
def first(lab: Lab, notebook_file: Callable[..., str]) -> Notebook:
    """A copy of the first notebook, opened, its first cell run; streams are named after the copy."""
    path = notebook_file("first-stream")
    shutil.copy(NOTEBOOKS / "01-first-stream.ipynb", lab.server.root / path)
    notebook = lab.open(path)
    notebook.run("load")
    return notebook


def test_cell_that_yields_shows_a_plot_that_moves_also_while_the_kernel_computes(
    first: Notebook, screenshots: Screenshots
):
    first.run("machine")
    card = first.card("machine").wait_until_shown()
    card.wait_for_state("live")
    assert card.kind == "plot"
    card.wait_for_events(5)
    with Curl(first.url_of("machine")) as curl:
        curl.wait_for(5)
        first.start("busy")
        before = card.events
        pictures = {card.picture()}
        for more in (10, 20, 30):
            card.wait_for_events(before + more)
            pictures.add(card.picture())
        assert first.is_running("busy")
        assert len(pictures) == 4
        screenshots.take(first.page, "first-notebook")
        first.wait_until_run("busy")
        count = card.wait_for_more_events()
        events = curl.wait_for(count)
    assert card.lost == 0
    assert set(card.legend()) == KEYS
    assert card.check_same_as(events) >= 30
    assert len([event_id for event_id, _ in card.data() if event_id is not None]) >= 30


def test_stop_button_ends_the_stream_and_running_the_cell_again_brings_one_card_with_the_next_run(first: Notebook):
    first.run("machine")
    card = first.card("machine").wait_until_shown()
    card.wait_for_events(3)
    with Curl(first.url_of("machine")) as curl:
        curl.wait_for(3)
        card.stop()
        card.wait_for_state("stopped")
        curl.wait_for_end()
    assert curl.events[-1].event == "sse.end"
    card.check_same_as(curl.data())
    first.run("machine")
    card.wait_until_shown()
    card.wait_for_run(2)
    card.wait_for_state("live")
    card.wait_for_events(3)


def test_reload_brings_the_plot_back_with_its_history(first: Notebook):
    first.run("machine")
    card = first.card("machine").wait_until_shown()
    card.wait_for_events(10)
    with Curl(first.url_of("machine")) as curl:
        first.save()
        before = card.data()
        first.reload()
        card = first.card("machine").wait_until_shown()
        card.wait_for_events(len(before) + 5)
        card.wait_for_state("live")
        card.check_same_as(curl.wait_for(card.events))
    card.check_same_as([(event_id or "", data) for event_id, data in before])
    assert card.lost == 0
    assert set(card.legend()) == KEYS


def test_browser_that_was_closed_for_a_while_shows_all_that_has_happened(first: Notebook, lab: Lab):
    first.run("machine")
    first.card("machine").wait_until_shown().wait_for_events(3)
    with Curl(first.url_of("machine")) as curl:
        first.save()
        lab.close_browser()
        away = len(curl.wait_for(3))
        curl.wait_for(away + 15)
        lab.open_browser()
        card = lab.open(first.path).card("machine").wait_until_shown()
        card.wait_for_events(away + 20)
        card.wait_for_state("live")
        assert card.check_same_as(curl.wait_for(card.events)) >= away + 20
    assert card.lost == 0


@pytest.mark.alone
def test_killed_kernel_is_told_within_two_seconds_and_nothing_hangs(first: Notebook, screenshots: Screenshots):
    first.run("machine")
    card = first.card("machine").wait_until_shown()
    card.wait_for_events(3)
    # The kernel ends in the middle of this cell.
    first.start(first.add("kill", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"))
    card.wait_for_state("gone", timeout=2)
    assert "The kernel stopped." in card.locator.inner_text()
    first.dismiss_dialog()
    card.locator.scroll_into_view_if_needed()
    screenshots.take(first.page, "killed-kernel")
    first.save()
    first.wait_for_kernel()
    first.run("load")
    first.run("machine")
    card.wait_until_shown()
    card.wait_for_run(2)
    card.wait_for_state("live")


@pytest.mark.alone
def test_restarted_kernel_is_told_within_two_seconds_and_nothing_hangs(first: Notebook):
    first.run("machine")
    card = first.card("machine").wait_until_shown()
    card.wait_for_events(3)
    first.restart_kernel()
    card.wait_for_state(*GONE, timeout=2)
    first.save()
    first.wait_for_kernel()
    first.run("load")
    first.run("machine")
    card.wait_until_shown()
    card.wait_for_run(2)
    card.wait_for_state("live")


def test_whole_notebook_runs_in_the_browser(first: Notebook, lab_server: JupyterServer, screenshots: Screenshots):
    for cell_id in ("machine", "named", "url", "list", "read", "send", "track", "pandas"):
        first.run(cell_id)
    walk, log, progress = (first.card(cell_id).wait_until_shown() for cell_id in ("named", "send", "track"))
    assert [card.kind for card in (walk, log, progress)] == ["plot", "log", "progress"]
    assert set(walk.legend()) == {"height"}
    log.wait_for_events(15)
    progress.wait_for_state("ended")
    assert "walk" in first.cell("list").inner_text()
    assert "height" in first.cell("pandas").inner_text()
    for cell_id in ("named", "send", "track"):
        first.card(cell_id).locator.scroll_into_view_if_needed()
        screenshots.take(first.page, f"first-notebook-{cell_id}")
    first.run("stop")
    walk.wait_for_state("stopped")
    wait_until(
        lambda: not [one for one in lab_server.client.get("api/sse/streams").json() if one["state"] == "live"],
        "no stream is live",
    )
