"""Answers to requests whose bodies are still on their way."""

from __future__ import annotations

import socket
from typing import Any

from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.web import HTTPError

from jupyter_sse.server.handler import SSEHandler
from jupyter_sse.server.refusal import refusal_of

SHORT_REST = 64 << 10
"""A body of which so many bytes are missing is read to its end before it is refused, and the connection stays."""

LINGER = 5.0
"""How long the rest of a refused body is waited for before the answer where it is short, and dropped after it; seconds.

To close at once would reset the connection: a sender that is still writing could lose the answer.
"""

KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""A sender is asked after so many seconds of silence, then every so many, and given up after so many questions."""


class EarlyAnswer(SSEHandler):
    """A handler that reads its body in pieces and can refuse it in the middle.

    Call :meth:`note_received` in ``data_received``, :meth:`refuse` where something is wrong, :meth:`end_body` in the
    method that Tornado calls when the body is over.
    """

    received_bytes = 0
    is_refused = False
    _cause: Exception | None = None
    _is_body_over = False
    _lingering: object | None = None
    _waiting: object | None = None

    def note_received(self, count: int) -> None:
        """Count what has come of the body."""
        self.received_bytes += count

    def rest_bytes(self) -> int | None:
        """Return how much of the body is to come; ``None``: its sender has not said."""
        if "Transfer-Encoding" in self.request.headers:
            return None
        length = self.request.headers.get("Content-Length", "0")
        return max(int(length) - self.received_bytes, 0) if length.isascii() and length.isdigit() else None

    def refuse(self, cause: Exception) -> None:
        """Take nothing more of the body; answer at its end, or now where that is far."""
        self.is_refused = True
        rest = self.rest_bytes()
        if rest is not None and rest <= SHORT_REST:
            self._cause = cause
            self._waiting = IOLoop.current().call_later(LINGER, self._answer, cause)
        else:
            self._answer(cause)

    def _answer(self, cause: Exception) -> None:
        self._waiting = None
        error = (type(cause), cause, cause.__traceback__)
        self.log_exception(*error)
        refusal = cause if isinstance(cause, HTTPError) else refusal_of(cause)
        self.send_error(500 if refusal is None else refusal.status_code, exc_info=error)

    def end_body(self) -> bool:
        """Note that the body is over; return whether it waits for an answer.

        Raises:
            Exception: What it was refused for.
        """
        self._is_body_over = True
        self._stop_waiting()
        if self._lingering is not None:
            self.stop_lingering()
            return False
        if self._cause is not None:
            raise self._cause
        return True

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            IOLoop.current().remove_timeout(self._waiting)
            self._waiting = None

    def finish(self, *args: Any, **kwargs: Any) -> Future[None]:
        """Answer; where the body is not over, keep the connection until it is, or for a while."""
        if self._is_body_over or not self.is_sending():
            return super().finish(*args, **kwargs)
        if self._lingering is None:
            self.answer_early(*args)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def watch_sender(self) -> None:
        """Have the system ask now and then whether a sender that says nothing for long is still there."""
        stream = self.request.connection.stream
        if stream is not None and not stream.closed():
            keep_alive(stream.socket)

    def is_sending(self) -> bool:
        """Tell whether more of the body may come: not where its sender waits for a word."""
        is_waiting = self.request.headers.get("Expect", "").lower() == "100-continue" and not self.received_bytes
        return self.rest_bytes() != 0 and not is_waiting

    def answer_early(self, body: str) -> None:
        """Write the whole answer and stay."""
        self.update_api_activity()
        encoded = body.encode()
        self.set_header("Content-Type", "application/json")
        self.set_header("Connection", "close")
        self.set_header("Content-Length", str(len(encoded)))
        self.write(encoded)
        self.flush()
        self._lingering = IOLoop.current().call_later(LINGER, self.stop_lingering)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with an error, unless there is an answer already."""
        if self._lingering is None:
            super().send_error(status_code, **kwargs)
        else:
            self.stop_lingering()

    def stop_lingering(self) -> None:
        """Close the connection whose answer is written."""
        self._is_body_over = True
        IOLoop.current().remove_timeout(self._lingering)
        if not self._finished:
            self.finish()
        # Tornado closes what it has not read to its end; where it has, what the answer said is to be done.
        stream = self.request.connection.stream
        if stream is not None and not stream.writing():
            stream.close()

    def on_connection_close(self) -> None:
        """Note that nobody is there any more."""
        super().on_connection_close()
        self._stop_waiting()
        if self._lingering is not None:
            self.stop_lingering()


def keep_alive(sender: socket.socket) -> None:
    """Let a connection break whose other side is gone without a word: nothing is written to it that could fail."""
    if sender.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):
            sender.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
