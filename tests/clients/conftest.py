"""Fixtures: one journey on each path, which all programs make together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from e2e.browser import CHROMIUM_ARGUMENTS, chromium_path
from playwright.sync_api import Browser, sync_playwright

from clients.journey import Journey

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="package", params=["handed_over", "portable"])
def journey(request: pytest.FixtureRequest, browser: Browser, certificate: tuple) -> Iterator[Journey]:
    """What the programs have got, all stations behind them."""
    with Journey(request.param, browser, certificate) as travelled:
        travelled.travel()
        yield travelled
