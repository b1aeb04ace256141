"""Fixtures: names that no two tests share. The process itself runs the hub."""

from __future__ import annotations

import itertools

import pytest

_names = itertools.count()


@pytest.fixture
def name() -> str:
    return f"test/stream-{next(_names)}"
