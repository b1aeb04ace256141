"""Path parameters: text from an address becomes what the generator function's annotation asks for."""

from __future__ import annotations

import datetime
import decimal
import enum
import inspect
import math
import pathlib
import re
import types
import typing
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_sse.error import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SHOWN = 60

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Converter:
    """What text from an address becomes.

    Attributes:
        expected: what is read, for a message: "an integer".
        convert: returns the value, or raises ValueError.
    """

    expected: str
    convert: Callable[[str], object]


@dataclass(frozen=True)
class Parameter:
    """A path parameter.

    Attributes:
        name: of it.
        converter: reads its text.
    """

    name: str
    converter: Converter

    def read(self, text: str) -> object:
        """Return the value.

        Raises:
            HTTPError: 400, with a message for whoever wrote the address.
        """
        try:
            return self.converter.convert(text)
        except (ValueError, ArithmeticError):
            shown = text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
            raise HTTPError(400, f"{self.name}: expected {self.converter.expected}, got {shown!r}") from None


def converter(annotation: Any) -> Converter:
    """Return what reads an annotation's values from text; without an annotation text stays text.

    Raises:
        TypeError: there is no way to read it; the message lists what can be read.
    """
    if annotation in (inspect.Parameter.empty, Any, object):
        return _PLAIN[str]
    if isinstance(annotation, typing.NewType):
        return converter(annotation.__supertype__)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return converter(arguments[0])
    if origin is typing.Literal:
        return _choice({_text(value): value for value in arguments})
    if origin in (typing.Union, types.UnionType):
        return _first_of([converter(one) for one in arguments if one is not types.NoneType])
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _choice({_text(member.value): member for member in annotation})
    found = _PLAIN.get(annotation) if isinstance(annotation, type) else None
    if found is None:
        known = ", ".join(kind.__name__ for kind in _PLAIN)
        raise TypeError(f"expected one of {known}, an Enum, a Literal or a union of them, got {annotation!r}")
    return found


def _text(value: object) -> str:
    """Return how a value is written in an address."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choice(values: dict[str, object]) -> Converter:
    def convert(text: str) -> object:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return Converter(f"one of {', '.join(values)}", convert)


def _first_of(converters: list[Converter]) -> Converter:
    def convert(text: str) -> object:
        for one in converters:
            try:
                return one.convert(text)
            except (ValueError, ArithmeticError):
                continue
        raise ValueError(text)

    return Converter(" or ".join(one.expected for one in converters), convert)


def _integer(text: str) -> int:
    # Python's own reading takes spaces, underscores and the digits of all scripts.
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def _decimal(text: str) -> decimal.Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return decimal.Decimal(text)


def _truth(text: str) -> bool:
    try:
        return _TRUTHS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _path(text: str) -> pathlib.PurePosixPath:
    """Read a path that stays below wherever it is appended."""
    path = pathlib.PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        raise ValueError(text)
    return path


_PLAIN: dict[type, Converter] = {
    str: Converter("text", str),
    int: Converter("an integer", _integer),
    float: Converter("a number", _number),
    bool: Converter("true or false", _truth),
    decimal.Decimal: Converter("a number", _decimal),
    uuid.UUID: Converter("a UUID", uuid.UUID),
    datetime.datetime: Converter("a time such as 2026-05-01T12:30:00Z", datetime.datetime.fromisoformat),
    datetime.date: Converter("a date such as 2026-05-01", datetime.date.fromisoformat),
    pathlib.PurePosixPath: Converter("a relative path without ..", _path),
}
