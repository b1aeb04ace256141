"""The way of a socket out of Tornado: to the hub's thread, or, where it cannot go there, to the portable path."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tornado.iostream import IOStream, SSLIOStream

if TYPE_CHECKING:
    from tornado.web import RequestHandler

    from jupyter_sse._rust import Subscription
    from jupyter_sse.server.stream import StreamHandler

NOT_OF_A_STREAM = frozenset({"content-length", "set-cookie", "transfer-encoding"})
"""Headers that a stream's head never has. A cookie of Jupyter's is a full login; the body ends with the connection."""


def set_stream_headers(handler: RequestHandler) -> None:
    """Set the headers of a stream; ``no-transform`` and ``X-Accel-Buffering`` are for proxies."""
    handler.set_status(200)
    handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.set_header("Cache-Control", "no-store, no-transform")
    handler.set_header("X-Accel-Buffering", "no")
    handler.set_header("Connection", "close")


def response_head(handler: StreamHandler) -> bytes:
    """Return the status line and the handler's headers as bytes, blank line included.

    Our own writing, not Tornado's: Tornado would choose chunks for the body, and would write the head at once,
    where the hub writes it together with the first line. (A proxy holds back a head without a body.)
    """
    lines = ["HTTP/1.1 200 OK"]
    lines += [f"{name}: {value}" for name, value in handler._headers.get_all() if name.lower() not in NOT_OF_A_STREAM]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def hand_over(handler: StreamHandler, subscription: Subscription, head: bytes) -> None:
    """Take the connection from Tornado and give it to the hub, which writes ``head`` and then the stream.

    Jupyter's access log and metrics see the request as done here; how long the stream stays open is no request
    time. Bytes that the client has sent beyond its request are dropped.
    """
    service = handler.service
    stream = handler.detach()
    if stream is None or stream.closed():
        return
    descriptor = duplicate(stream) if service.hand_over and may_leave(stream) else None
    if descriptor is None:
        service.portable.add(subscription, stream, head)
        service.counts.portable += 1
    else:
        stream.close()
        service.hub.attach(subscription, descriptor, head)
        service.counts.handed_over += 1
    handler.update_api_activity()
    handler.application.log_request(handler)


def may_leave(stream: IOStream) -> bool:
    """Tell whether the plain socket is all there is to the connection.

    With TLS there are keys besides it, and with unsent bytes there is Tornado's buffer.
    """
    is_encrypted = isinstance(stream, SSLIOStream) or isinstance(stream.socket, ssl.SSLSocket)
    return not is_encrypted and not stream.writing()


def duplicate(stream: IOStream) -> int | None:
    """Return a descriptor of the stream's socket that outlives the stream; ``None`` where the system gives none."""
    try:
        # The socket's own method: on Windows os.dup() knows no sockets.
        return stream.socket.dup().detach()
    except OSError:
        return None
