"""Fixtures: one journey on each path, which all programs make together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from e2e.browser import chromium

from clients.journey import Journey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package", params=["handed_over", "portable"])
def journey(request: pytest.FixtureRequest, browser: Browser, certificate: tuple) -> Iterator[Journey]:
    """What the programs have got, all stations behind them."""
    with Journey(request.param, browser, certificate) as travelled:
        travelled.travel()
        yield travelled
