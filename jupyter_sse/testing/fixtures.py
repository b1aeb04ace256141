"""The fixture ``sse_hub`` for pytest: ``pytest_plugins = ["jupyter_sse.testing.fixtures"]`` in a ``conftest.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_sse.testing.local_hub import LocalHub, hub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sse_hub() -> Iterator[LocalHub]:
    """A hub of its own for one test, see ``jupyter_sse.testing.hub``."""
    with hub() as started:
        yield started
