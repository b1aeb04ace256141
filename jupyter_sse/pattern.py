"""Patterns of routes: names of streams, some segments of which are parameters."""

from __future__ import annotations

import keyword
import re

from jupyter_sse._rust import check_name
from jupyter_sse.error import StreamNameError

LONGEST_BYTES = 200

_PARAMETER = re.compile(r"\{(.*)\}")


def parameter_names(pattern: str) -> tuple[str, ...]:
    """Check a pattern, such as ``users/{user_id}``, and return the names of its parameters, in order.

    Raises:
        StreamNameError: a segment is neither as in a stream's name nor exactly ``{identifier}``, an identifier comes
            twice, or it is longer than 200 bytes.
    """
    if not isinstance(pattern, str):
        raise TypeError(f'pattern: expected text such as "users/{{user_id}}", got {pattern!r}')
    names: list[str] = []
    segments = []
    for segment in pattern.split("/"):
        match = _PARAMETER.fullmatch(segment)
        segments.append(segment if match is None else "x")
        if match is not None:
            names.append(_checked_parameter(match[1], pattern, names))
    if any("{" in segment or "}" in segment for segment in segments):
        raise StreamNameError(
            f"pattern: expected each parameter to be a whole segment, as in users/{{user_id}}, got {pattern!r}"
        )
    check_name("/".join(segments))
    if len(pattern.encode()) > LONGEST_BYTES:
        raise StreamNameError(
            f"pattern: expected at most {LONGEST_BYTES} bytes, got {len(pattern.encode())}: {pattern[:60]!r}…"
        )
    return tuple(names)


def _checked_parameter(name: str, pattern: str, names: list[str]) -> str:
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        raise StreamNameError(f"pattern: expected the name of a parameter in the braces, got {name!r} in {pattern!r}")
    if name in names:
        raise StreamNameError(f"pattern: expected each parameter once, got {name!r} twice in {pattern!r}")
    return name


def family(pattern: str) -> str:
    """Return what all patterns of the same addresses have in common, whatever their parameters are called."""
    return "/".join("{}" if _PARAMETER.fullmatch(segment) else segment for segment in pattern.split("/"))


def matches(pattern: str, name: str) -> bool:
    """Say whether a stream's name is an address of a pattern."""
    wanted, found = pattern.split("/"), name.split("/")
    return len(wanted) == len(found) and all(
        _PARAMETER.fullmatch(one) or one == other for one, other in zip(wanted, found, strict=True)
    )
