"""Notebook cells that yield are live event streams.

%load_ext jupyter_sse

for step in range(10_000):
    yield {"loss": train_step(), "step": step}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_sse._rust import Decoder, ServerSentEvent

# These four have the names of their modules, so they are imported now: a module that is imported later would take
# the name in this package for itself.
from jupyter_sse.broadcast import broadcast
from jupyter_sse.encoding import encode
from jupyter_sse.error import HTTPError, SSEError
from jupyter_sse.per_subscriber import PerSubscriber, per_subscriber
from jupyter_sse.progress import track
from jupyter_sse.request import Request
from jupyter_sse.stream import Stream, stream
from jupyter_sse.subscribe import Subscription, subscribe

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_sse.widget import StreamView

__all__ = [
    "Decoder",
    "HTTPError",
    "PerSubscriber",
    "Request",
    "SSEError",
    "ServerSentEvent",
    "Stream",
    "StreamView",
    "Subscription",
    "broadcast",
    "encode",
    "per_subscriber",
    "stream",
    "subscribe",
    "track",
]


def __getattr__(name: str) -> Any:
    # ipywidgets takes a tenth of a second to import, which only its users are to wait for.
    if name == "StreamView":
        return import_module("jupyter_sse.widget").StreamView
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Do what ``%load_ext jupyter_sse`` asks for: cells that yield are streams, and ``%sse`` is known."""
    from jupyter_sse.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Do what ``%unload_ext jupyter_sse`` asks for. Streams that run go on."""
    from jupyter_sse.extension import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server what to load."""
    from jupyter_sse.server.app import SSEApp

    return [{"module": "jupyter_sse.server.app", "app": SSEApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the built labextension is, for ``jupyter labextension develop``."""
    return [{"src": "labextension", "dest": "jupyter_sse"}]
