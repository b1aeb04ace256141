"""Fixtures: one JupyterLab and one browser for all tests here; each test has tabs, kernels and notebooks of its own.

Playwright's event loop occupies the main thread for as long as the browser is open, so both end with this package.
"""

from __future__ import annotations

import itertools
import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_server import JupyterServer

from e2e.browser import chromium
from e2e.lab import Lab
from e2e.notebook import write_notebook
from e2e.screenshot import Screenshots
from e2e.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

NUMBERS = itertools.count(1)
HAS_FAILED = pytest.StashKey[bool]()

QUIET = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
    # A test saves when it means to.
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
}


@pytest.fixture(scope="package")
def lab_server() -> Iterator[JupyterServer]:
    """JupyterLab with a copy of the notebooks, and folders of its own for all that it keeps."""
    running = JupyterServer("--LabApp.expose_app_in_browser=True", module="jupyterlab")
    for path, settings in QUIET.items():
        file = running.folder / "config" / "lab" / "user-settings" / path
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(settings))
    shutil.copytree(NOTEBOOKS, running.root, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    running.start()
    yield running
    log = running.log()
    running.stop()
    assert running.token not in log
    assert "sse_" not in log.replace("jupyter_sse_", "")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember how a test went, for what is done after it."""
    report = yield
    item.stash[HAS_FAILED] = item.stash.get(HAS_FAILED, False) or report.failed
    return report


@pytest.fixture
def lab(
    lab_server: JupyterServer, browser: Browser, screenshots: Screenshots, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """A user at a browser of his own: cookies and tabs. His kernels end with the test."""
    with use(Lab(lab_server, browser), screenshots, request.node) as user:
        yield user


@pytest.fixture
def wire(lab_server: JupyterServer) -> Iterator[Wire]:
    """What connects the user who is far away to the server."""
    with Wire(lab_server.port, lab_server.base_url) as connected:
        yield connected


@pytest.fixture
def far_lab(
    lab_server: JupyterServer,
    browser: Browser,
    wire: Wire,
    screenshots: Screenshots,
    request: pytest.FixtureRequest,
) -> Iterator[Lab]:
    """A user whose connection may break."""
    with use(Lab(lab_server, browser, wire.url), screenshots, request.node) as user:
        yield user


@contextmanager
def use(user: Lab, screenshots: Screenshots, test: pytest.Item) -> Iterator[Lab]:
    """Let a test use a browser; keep pictures of what it showed where the test has failed."""
    yield user
    if test.stash.get(HAS_FAILED, False):
        for number, page in enumerate(user.context.pages):
            screenshots.take(page, f"failed-{test.name}-{number}")
    user.close()


@pytest.fixture
def notebook_file(lab_server: JupyterServer) -> Callable[..., str]:
    """Write a notebook of code cells, ``cell_id=source``, and return its path: no two tests share a stream."""

    def write(name: str, **sources: str) -> str:
        path = f"{name}-{next(NUMBERS)}.ipynb"
        write_notebook(lab_server.root / path, sources)
        return path

    return write


@pytest.fixture
def screenshots() -> Screenshots:
    """Takes pictures where SSE_SCREENSHOTS names a folder."""
    return Screenshots()
