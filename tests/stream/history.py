"""What a stream of this process holds."""

from __future__ import annotations

from typing import Any

from jupyter_sse.client import client
from jupyter_sse.history import read_history


def values(name: str) -> list[Any]:
    """Return the values of a stream's history, all that was sent before among them."""
    assert client().link.flush(10)
    return [event.value() for event in read_history(client(), name)]
