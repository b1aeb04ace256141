"""What a producer can yield, and what it becomes on the wire: Python values to the fields of an event."""

from __future__ import annotations

from sys import modules
from typing import Any

from orjson import OPT_SERIALIZE_NUMPY, dumps

from jupyter_sse._rust import MAX_EVENT_BYTES, ServerSentEvent
from jupyter_sse._rust import encode as encode_fields
from jupyter_sse.plain import dump_plainly, dump_slowly, may_hide_nat, replace

__all__ = ["Parts", "encode", "encode_json", "parts"]

Parts = tuple[str | bytes | None, Any, Any, Any, Any]
"""data, event, id, retry, comment; data is text (str), JSON (bytes), or None for an event without data."""

_T = ord("T")
_FIELDS = frozenset({"data", "event", "id", "retry", "comment"})


def parts(value: Any) -> Parts:
    """Read a yielded value as an event.

    Checks the data only. The other fields are passed on as they came: `jupyter_sse._rust` checks them where
    it takes them, so that every way in refuses the same values with the same words.

    Args:
        value: Text, a dict of an event's fields, a `ServerSentEvent`, or anything that JSON or orjson knows.

    Returns:
        The five fields, for `Producer.send` and `jupyter_sse._rust.encode`.

    Raises:
        EncodeError: The data is bytes, or holds something that JSON does not know; the message has its path.
    """
    kind = type(value)
    if kind is dict and ("data" not in value or not _FIELDS.issuperset(value)):
        return encode_json(value), None, None, None, None
    if kind is str:
        return value, None, None, None, None
    return _other_parts(value)


def encode(value: Any, *, max_event_bytes: int = MAX_EVENT_BYTES) -> bytes:
    """Encode a value as one block of an event stream, the blank line included.

    Args:
        value: As for a yield.
        max_event_bytes: The most that its data, retry and comment lines may take.

    Raises:
        EncodeError: A field of it cannot be sent.
        EventTooLargeError: It takes more than `max_event_bytes`.
    """
    return encode_fields(*parts(value), max_event_bytes)


def encode_json(value: Any) -> bytes:
    """Encode a value as JSON in UTF-8, on one line; NaN, infinities and NaT become null.

    Raises:
        EncodeError: It holds something that JSON does not know; the message has its path.
    """
    try:
        if "numpy" not in modules:
            # Told to look for NumPy's values, orjson would import it; before that import there are none.
            return dumps(value, replace)
        encoded = dumps(value, replace, OPT_SERIALIZE_NUMPY)
    except TypeError:
        return dump_slowly(value)
    # A number is sought ten times as fast as bytes, and no time stands in most events.
    return dump_plainly(value) if _T in encoded and may_hide_nat(encoded) else encoded


def _other_parts(value: Any) -> Parts:
    if isinstance(value, dict) and "data" in value and _FIELDS.issuperset(value):
        get = value.get
        return _data(value["data"]), get("event"), get("id"), get("retry"), get("comment")
    if isinstance(value, ServerSentEvent):
        data = None if value.data is None else _data(value.data)
        return data, value.event, value.id, value.retry, value.comment
    return _data(value), None, None, None, None


def _data(value: Any) -> str | bytes:
    return value if isinstance(value, str) else encode_json(value)
