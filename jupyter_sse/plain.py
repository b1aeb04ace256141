"""Values that orjson refuses, replaced by plain ones that mean the same.

`replace` is orjson's hook and sees one value at a time. What orjson refuses without asking the hook (keys that
are no text, ints of more than 64 bits, lone surrogates), and what it gets wrong (NumPy's NaT), takes the slow way:
a walk through the whole value that knows where it is, so that an error can say so.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterable, Callable, Coroutine, Iterator, Mapping, MappingView, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from sys import modules
from typing import Any
from uuid import UUID

from orjson import OPT_NON_STR_KEYS, OPT_SERIALIZE_NUMPY, Fragment, dumps

from jupyter_sse._rust import MAX_EVENT_BYTES, may_hide_nat
from jupyter_sse.error import EncodeError

__all__ = ["dump_plainly", "dump_slowly", "replace"]

_MAX_DEPTH = 250
"""Levels of nesting; orjson gives up at 254."""

_SCALARS = (str, int, float, datetime, date, timedelta)
_BYTES = (bytes, bytearray, memoryview)
_SHOWN_CHARACTERS = 80
_MAX_ITEMS = MAX_EVENT_BYTES // 2
"""What an event has room for: an item and its comma take two bytes. A range of any length is small, its list is not."""

_CONVERT = "convert it, for instance with float(), str(), list() or vars()"


class _UnknownError(TypeError):
    """JSON does not know the value, and nothing here can replace it. Its message is the remedy, where there is one."""


def dump_slowly(value: Any, refusal: TypeError) -> bytes:
    """Encode as JSON a value that orjson has refused.

    Args:
        value: What was refused.
        refusal: orjson's error.

    Raises:
        EncodeError: JSON does not know some part of it; the message has the part's path.
    """
    _reraise_interrupt(refusal)
    has_numpy = "numpy" in modules
    try:
        encoded = dumps(value, replace, OPT_NON_STR_KEYS | (OPT_SERIALIZE_NUMPY if has_numpy else 0))
    except TypeError as again:
        _reraise_interrupt(again)
        return dump_plainly(value)
    return dump_plainly(value) if has_numpy and may_hide_nat(encoded) else encoded


def dump_plainly(value: Any) -> bytes:
    """Encode a copy of the value that has nothing in it but JSON's own values.

    Raises:
        EncodeError: JSON does not know some part of it; the message has the part's path.
    """
    return dumps(_plain(value, "data", 0))


def replace(value: Any) -> Any:
    """Return what stands for a value that orjson does not know; it may hold such values in turn.

    Raises:
        TypeError: Nothing stands for it.
    """
    if isinstance(value, _BYTES):
        raise _UnknownError
    for name, find in _LIBRARIES.items():
        # A library that was never imported has no values, and is not imported to find that out.
        if (module := modules.get(name)) is not None and (found := find(module, value)) is not None:
            return found()
    if (found := _standard(value)) is not None:
        return found()
    return _by_protocol(value)


def _shown(value: Any) -> str:
    """Return the repr of a value, shortened."""
    if isinstance(value, (str, bytes, bytearray)):
        value = value[: _SHOWN_CHARACTERS + 1]
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - any repr may fail in any way; the error being told matters more
        return f"a {type(value).__name__} whose repr raises {type(error).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


# --- what stands for a value ------------------------------------------------------------------------------------

_Found = Callable[[], Any] | None


def _numpy(numpy: Any, value: Any) -> _Found:
    if isinstance(value, numpy.ndarray):
        return lambda: _array(numpy, value)
    if isinstance(value, numpy.datetime64):
        return lambda: value.astype("M8[us]").item()
    if isinstance(value, numpy.timedelta64):
        return lambda: (value / numpy.timedelta64(1, "s")).item()
    if isinstance(value, numpy.floating):
        return lambda: float(value)
    return None


def _array(numpy: Any, value: Any) -> Any:
    if value.dtype.kind == "m":
        value = value / numpy.timedelta64(1, "s")
    elif value.dtype.kind == "M":
        # In finer units NumPy would give ints.
        value = value.astype("M8[us]")
    elif value.dtype.kind in "biuf" and value.ndim and not value.flags.c_contiguous:
        return numpy.ascontiguousarray(value)
    return value.tolist()


def _pandas(pandas: Any, value: Any) -> _Found:
    if value is pandas.NaT or value is pandas.NA:
        return lambda: None
    if isinstance(value, pandas.DataFrame):
        return lambda: _records(pandas, value)
    if isinstance(value, pandas.Series):
        if isinstance(value.index, pandas.RangeIndex):
            return value.to_numpy
        return lambda: {_key(key): item for key, item in zip(value.index, value.tolist(), strict=True)}
    if isinstance(value, (pandas.Index, pandas.api.extensions.ExtensionArray)):
        return value.tolist
    if isinstance(value, (pandas.Period, pandas.Interval)):
        return lambda: str(value)
    return None


def _records(pandas: Any, frame: Any) -> list[dict[str, Any]]:
    """One dict for each row; an index that says more than the row's number is a column too."""
    if not isinstance(frame.index, pandas.RangeIndex):
        frame = frame.reset_index(allow_duplicates=True)
    names = [_column(name) for name in frame.columns]
    columns = [frame.iloc[:, place].tolist() for place in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(name: Any) -> str:
    if isinstance(name, tuple):
        return ".".join(_key(part) for part in name if part != "")
    return _key(name)


def _polars(polars: Any, value: Any) -> _Found:
    if isinstance(value, polars.DataFrame):
        return value.to_dicts
    if isinstance(value, polars.Series):
        return value.to_list
    return None


def _pydantic(pydantic: Any, value: Any) -> _Found:
    if isinstance(value, pydantic.BaseModel) and hasattr(value, "model_dump"):
        return lambda: value.model_dump(mode="json")
    return None


_LIBRARIES: dict[str, Callable[[Any, Any], _Found]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pydantic": _pydantic,
}


def _standard(value: Any) -> _Found:
    if isinstance(value, tuple):
        return value._asdict if hasattr(value, "_asdict") else lambda: list(value)
    if isinstance(value, float):
        return lambda: float(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat
    if isinstance(value, timedelta):
        return value.total_seconds
    return None


def _by_protocol(value: Any) -> Any:
    """What scientific libraries agree on, then the standard library's own."""
    if isinstance(value, type):
        raise _UnknownError
    if callable(item := getattr(value, "item", None)):
        # Asking for the size first would cost as much: a loss on a device is fetched by either.
        scalar = _attempt(item)
        if isinstance(scalar, _SCALARS):
            return scalar
    if callable(array := getattr(value, "__array__", None)) and (found := _attempt(array)) is not None:
        return found
    if callable(tolist := getattr(value, "tolist", None)):
        return tolist()
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, PurePath):
        return str(value)
    return _by_collection(value)


def _by_collection(value: Any) -> Any:
    """What holds its items becomes a list or a dict; what makes them as it goes would be used up, so it is refused."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Sequence, Set, MappingView, deque)):
        if isinstance(value, range) and bool(value[_MAX_ITEMS:]):
            raise _UnknownError(f"an event has room for {_MAX_ITEMS} items at most, send a part of it")
        return list(value)
    if isinstance(value, Coroutine):
        raise _UnknownError("await it")
    if isinstance(value, (Iterator, AsyncIterable)):
        loop = "async for item in …: yield item" if isinstance(value, AsyncIterable) else "yield from …"
        raise _UnknownError(f"for one event make it a list, for an event for each of its items `{loop}`")
    raise _UnknownError


def _attempt(method: Callable[[], Any]) -> Any:
    try:
        return method()
    except Exception:  # noqa: BLE001 - libraries refuse with errors of their own; then the next way is tried
        return None


# --- the slow way -----------------------------------------------------------------------------------------------


def _reraise_interrupt(refusal: TypeError) -> None:
    """Let an interrupt that met the hook go on: orjson makes a TypeError of whatever comes out of it."""
    cause = refusal.__cause__
    if cause is not None and not isinstance(cause, Exception):
        raise cause


def _plain(value: Any, path: str, depth: int) -> Any:
    """A copy of a value that orjson takes without a hook."""
    if depth > _MAX_DEPTH:
        raise EncodeError(
            f"data: expected at most {_MAX_DEPTH} levels of nesting, got more; a value must not contain itself"
        )
    if value is None or isinstance(value, (bool, UUID)) or type(value) is float:
        return value
    if type(value) in (datetime, date, time):
        return value.isoformat()
    if isinstance(value, Enum):
        return _plain(value.value, path, depth + 1)
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else _long(value, path)
    if isinstance(value, dict):
        return _plain_dict(value, path, depth)
    if type(value) is tuple or isinstance(value, list):
        return [_plain(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if not field.name.startswith("_")]
        return {name: _plain(getattr(value, name), f"{path}.{name}", depth + 1) for name in names}
    return _plain(_replaced(value, path), path, depth + 1)


def _plain_dict(value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
    plain = {}
    for key, item in value.items():
        try:
            name = _key(key)
        except _UnknownError:
            raise EncodeError(
                f"{path}: expected keys that are text, numbers or dates, got {_shown(key)}; convert it with str()"
            ) from None
        inner = f"{path}[{_shown(key)}]"
        plain[_text(name, f"a key of {path}")] = _plain(item, inner, depth + 1)
    return plain


def _replaced(value: Any, path: str) -> Any:
    if isinstance(value, _BYTES):
        raise EncodeError(
            f"{path}: expected text or a value that JSON knows, got {_shown(value)}; "
            "make it text with .decode() or base64"
        )
    try:
        return replace(value)
    except _UnknownError as error:
        raise EncodeError(
            f"{path}: expected a value that JSON knows, got {_shown(value)}; {str(error) or _CONVERT}"
        ) from None
    except Exception as error:
        raise EncodeError(
            f"{path}: expected a value that JSON knows, got {_shown(value)}; "
            f"reading it raised {type(error).__name__}: {error}"
        ) from error


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise EncodeError(
            f"{path}: expected text without lone surrogates, got {_shown(value)}; "
            "remove them with text.encode('utf-8', 'replace').decode()"
        ) from None
    return str(value)


def _long(value: int, path: str) -> Any:
    """JSON's numbers have no bound; orjson's have."""
    try:
        return Fragment(str(value))
    except ValueError:
        bits = value.bit_length()
        raise EncodeError(
            f"{path}: expected an int that Python writes out, got one of {bits} bits; send hex(value)"
        ) from None


def _key(key: Any) -> str:
    """The text of a key, as orjson writes those it knows."""
    if isinstance(key, Enum):
        return _key(key.value)
    if isinstance(key, str):
        return key
    if key is None or (isinstance(key, float) and not math.isfinite(key)):
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (int, float, UUID)):
        return repr(float(key)) if isinstance(key, float) else str(key)
    if isinstance(key, (datetime, date, time)):
        return key.isoformat()
    if isinstance(key, (bytes, tuple, frozenset)):
        raise _UnknownError
    return _key(replace(key))
