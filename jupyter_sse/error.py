"""The exceptions that jupyter_sse raises, each also a built-in where one fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DecodeError",
    "EncodeError",
    "EventTooLargeError",
    "HTTPError",
    "LimitError",
    "LinkError",
    "OwnedError",
    "ReaderGoneError",
    "RequestTooLargeError",
    "SSEError",
    "SequenceError",
    "StreamEndedError",
    "StreamNameError",
    "UnknownStreamError",
]


class SSEError(Exception):
    """What every exception of jupyter_sse is."""


class EncodeError(SSEError, ValueError):
    """A value cannot be sent as an event; the stream it was meant for is as it was."""


class EventTooLargeError(EncodeError):
    """An event takes more than ``max_event_bytes``."""


class DecodeError(SSEError, ValueError):
    """The bytes of an event stream cannot be decoded; only a reset decoder goes on."""


class StreamNameError(SSEError, ValueError):
    """A text is no name of a stream."""


class OwnedError(SSEError, RuntimeError):
    """Another kernel owns the stream's run."""


class ReaderGoneError(SSEError):
    """The reader for whom a generator runs has left: there is nobody to send to."""


class RequestTooLargeError(SSEError, ValueError):
    """A request has more headers, or a longer query, than a generator is told."""


class SequenceError(SSEError, ValueError):
    """An event comes out of the order in which its producer numbers them."""


class UnknownStreamError(SSEError, LookupError):
    """No stream has this name."""


class StreamEndedError(SSEError):
    """The stream is over."""


class LimitError(SSEError, RuntimeError):
    """The server holds as much as it may."""


class LinkError(SSEError, RuntimeError):
    """The link to the server cannot do what was asked."""


class HTTPError(SSEError):
    """Raised by a generator that has one reader, before its first event: the answer to the reader's request.

    Raised later, when the answer has long begun, it ends the stream: with the reason ``refused`` and the status.

    Attributes:
        status: From 400 to 599.
        message: For whoever asks.
        headers: Of the answer, such as ``Retry-After``.
    """

    def __init__(self, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ValueError(f"expected an HTTP status that says no, from 400 to 599, got {status!r:.40}")
        super().__init__(status, message, headers)
        self.status = int(status)
        self.message = message
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return self.message
