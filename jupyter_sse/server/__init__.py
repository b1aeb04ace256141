"""The server's side: the extension of Jupyter Server that owns the hub and lets readers in.

For authors of extensions, and of any other application of Tornado: `EventStreamHandler`. Nothing on the kernel's side
imports this package.
"""

from __future__ import annotations

from jupyter_sse.server.event_stream import EventStreamHandler, close_event_streams

__all__ = ["EventStreamHandler", "close_event_streams"]
