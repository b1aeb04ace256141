"""Fixtures: two servers for all rules, one on each path, and names that no two tests share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from running_server import JupyterServer

from rules.site import NUMBERS, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONNECTIONS = 60
HISTORY_EVENTS = 1_000
LIVE_WINDOW_BYTES = 256 << 10
MAX_HISTORY_BYTES = 8 << 20

SETTINGS = (
    f"--SSEApp.max_connections={MAX_CONNECTIONS}",
    f"--SSEApp.history_events={HISTORY_EVENTS}",
    f"--SSEApp.live_window_bytes={LIVE_WINDOW_BYTES}",
    f"--SSEApp.max_history_bytes={MAX_HISTORY_BYTES}",
)
"""Bounds that a test can reach. What is not set here is as users have it."""


@pytest.fixture(scope="package")
def handed_over_site() -> Iterator[Site]:
    """Plain HTTP: the sockets are handed over to the hub's thread."""
    yield from serve(JupyterServer(*SETTINGS), "handed_over")


@pytest.fixture(scope="package")
def portable_site(certificate: tuple) -> Iterator[Site]:
    """Jupyter speaks TLS itself: the readers take the portable path."""
    yield from serve(JupyterServer(*SETTINGS, certificate=certificate), "portable")


def serve(server: JupyterServer, path: str) -> Iterator[Site]:
    """Start a server, and stop it after the tests."""
    server.start()
    site = Site(server, path)
    yield site
    site.close()
    log = server.log()
    server.stop()
    assert "Traceback" not in log


@pytest.fixture(params=["handed_over", "portable"])
def site(request: pytest.FixtureRequest) -> Site:
    """Each of the two paths."""
    return request.getfixturevalue(f"{request.param}_site")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A stream's name that no other test has."""
    title = re.sub(r"[^a-z0-9]+", "-", request.node.originalname.removeprefix("test_"))
    return f"{title[:60]}/{next(NUMBERS)}"
