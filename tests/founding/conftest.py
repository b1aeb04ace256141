"""Fixtures: Chromium, and the notebook whose cells the tests run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from e2e.browser import chromium
from running_kernel import ServedKernel

from founding.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser
    from running_server import JupyterServer

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "03-founding-document.ipynb"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture
def new_page(browser: Browser, server: JupyterServer) -> Iterator[Callable[[], Page]]:
    """Open pages of the server, each in a browser profile of its own, logged in."""
    opened: list[Page] = []

    def open_page() -> Page:
        opened.append(Page(browser, server))
        return opened[-1]

    yield open_page
    for page in opened:
        page.close()


@pytest.fixture(scope="module")
def kernel(server: JupyterServer) -> Iterator[ServedKernel]:
    """A kernel in which the extension is loaded."""
    with ServedKernel(server) as started:
        started.good(cell("load"))
        yield started


def cell(identity: str) -> str:
    """Return the source of one of the notebook's cells."""
    cells = {one["id"]: one["source"] for one in nbformat.read(NOTEBOOK, as_version=4).cells}
    return cells[identity]
