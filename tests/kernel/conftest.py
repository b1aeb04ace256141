"""Fixtures: a kernel without a Jupyter server, and names that no two tests share."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from running_kernel import LoneKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

_names = itertools.count()


@pytest.fixture(scope="package")
def kernel() -> Iterator[LoneKernel]:
    """A kernel for all tests of this folder; each uses streams and cells of its own."""
    with LoneKernel() as started:
        started.good("%load_ext jupyter_sse\nimport jupyter_sse as sse, time, asyncio\nseen = []")
        yield started


@pytest.fixture
def name() -> str:
    return f"stream-{next(_names)}"
