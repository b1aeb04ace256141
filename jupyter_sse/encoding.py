"""What a producer can yield, and what it becomes on the wire.

Text and dicts without the key ``data`` are most of what is sent: `jupyter_sse._rust` reads them itself, wherever it
takes a value, and asks `parts` about all others.
"""

from __future__ import annotations

from typing import Any

from jupyter_sse._rust import ServerSentEvent, encode, encode_json

__all__ = ["Parts", "encode", "encode_json", "parts"]

Parts = tuple[str | bytes | None, Any, Any, Any, Any]
"""data, event, id, retry, comment; data is text (str), JSON (bytes), or None for an event without data."""

_FIELDS = frozenset({"data", "event", "id", "retry", "comment"})


def parts(value: Any) -> Parts:
    """Read a yielded value as an event.

    Checks the data only. The other fields are passed on as they came: `jupyter_sse._rust` checks them where
    it takes them, so that every way in refuses the same values with the same words.

    Args:
        value: Text, a dict of an event's fields, a `ServerSentEvent`, or anything that JSON or orjson knows.

    Returns:
        The five fields.

    Raises:
        EncodeError: The data is bytes, or holds something that JSON does not know; the message has its path.
    """
    if isinstance(value, dict) and "data" in value and _FIELDS.issuperset(value):
        get = value.get
        return _data(value["data"]), get("event"), get("id"), get("retry"), get("comment")
    if isinstance(value, ServerSentEvent):
        data = None if value.data is None else _data(value.data)
        return data, value.event, value.id, value.retry, value.comment
    return _data(value), None, None, None, None


def _data(value: Any) -> str | bytes:
    return value if isinstance(value, str) else encode_json(value)
