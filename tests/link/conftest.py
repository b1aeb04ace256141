"""Fixtures: a real hub on a real socket, in this process, and a link to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_sse._rust import Hub, Link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "hub.sock")


@pytest.fixture
def hub(path: str) -> Iterator[Hub]:
    hub = Hub(link_path=path)
    yield hub
    hub.close()


@pytest.fixture
def link(hub: Hub, path: str) -> Iterator[Link]:
    link = Link(path, "kernel-1", "notebook.ipynb")
    yield link
    link.close(0)
