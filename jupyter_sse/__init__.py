"""Notebook cells that yield are live event streams."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Decoder": "jupyter_sse._rust",
    "ServerSentEvent": "jupyter_sse._rust",
    "encode": "jupyter_sse.encoding",
}
"""Public names and where they are at home: a name is imported when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server what to load."""
    from jupyter_sse.server.app import SSEApp

    return [{"module": "jupyter_sse.server.app", "app": SSEApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the built labextension is, for `jupyter labextension develop`."""
    return [{"src": "labextension", "dest": "jupyter_sse"}]
