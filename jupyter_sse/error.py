"""The exceptions that jupyter_sse raises, each also a built-in where one fits."""

from __future__ import annotations

__all__ = [
    "DecodeError",
    "EncodeError",
    "EventTooLargeError",
    "LimitError",
    "LinkError",
    "OwnedError",
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
