"""Answers that say no, and the one table from errors to HTTP statuses."""

from __future__ import annotations

from http.client import responses
from typing import TYPE_CHECKING

from tornado import web

from jupyter_sse import error

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY_AFTER = {"Retry-After": "5"}
"""Seconds after which a refused newcomer may ask again."""

TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (error.EventTooLargeError, 413, "too-large"),
    (error.StreamNameError, 400, "name"),
    (error.EncodeError, 400, "event"),
    (error.DecodeError, 400, "body"),
    (error.UnknownStreamError, 404, "unknown"),
    (error.OwnedError, 409, "owned"),
    (error.StreamEndedError, 409, "ended"),
    (error.SequenceError, 409, "sequence"),
    (error.RequestTooLargeError, 431, "too-large"),
    (error.LimitError, 503, "limit"),
)
"""Status and reason of what the hub and the encoder raise; the first that fits holds."""


class Refusal(web.HTTPError):
    """An answer that says no.

    Attributes:
        message: What was expected, what came, what to do.
        kind: One word for programs: ``reason`` in the JSON.
        headers: Headers of the answer, such as ``Retry-After``.
    """

    def __init__(self, status: int, message: str, kind: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.message = message
        self.kind = kind
        self.headers = dict(headers or {})


def refusal_of(cause: Exception) -> Refusal | None:
    """Return the answer to an error of the hub or of the encoder; ``None`` where it is neither's."""
    for kind_of_error, status, kind in TABLE:
        if isinstance(cause, kind_of_error):
            return Refusal(status, str(cause), kind, RETRY_AFTER if status == 503 else None)
    return None


def plain_refusal(status: int, cause: BaseException | None) -> Refusal:
    """Return the answer to what a handler's author, Tornado or Jupyter refused."""
    if isinstance(cause, error.HTTPError):
        status = cause.status
    phrase = responses.get(status, "Unknown")
    kind = phrase.lower().replace(" ", "-")
    if isinstance(cause, error.HTTPError):
        return Refusal(status, cause.message or phrase, kind, cause.headers)
    if isinstance(cause, web.HTTPError) and cause.log_message:
        return Refusal(status, cause.log_message % cause.args, kind)
    return Refusal(status, phrase, kind)
