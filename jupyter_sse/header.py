"""Response headers that a program in a kernel may set on an event stream, or on a refusal of one."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")

# What frames the response, what makes it a stream, and what the server alone decides: who may read it, and who is in.
_RESERVED = frozenset(
    {
        "cache-control",
        "connection",
        "date",
        "keep-alive",
        "server",
        "set-cookie",
        "set-cookie2",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-accel-buffering",
    }
)
_RESERVED_PREFIXES = ("access-control-", "content-", "proxy-", "sec-", "cross-origin-")


def checked_header(name: str, value: object) -> tuple[str, str]:
    """Return name and value of a response header as they are sent; numbers become text.

    Raises:
        ValueError: no header is called so, it is the server's own, or the value would not stay one line of ASCII.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"header: expected a name of letters, digits and dashes, got {name!r}")
    lower = name.lower()
    if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"header {name}: it is the server's to set; expected another, such as X-{name}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"header {name}: expected text or a number, got {value!r}")
    text = str(value).strip(" \t")
    if not _VALUE.fullmatch(text):
        raise ValueError(f"header {name}: expected one line of printable ASCII, got {value!r}")
    return name, text
