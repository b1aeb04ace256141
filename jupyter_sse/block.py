"""Events that hold many points each: dicts of lists of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_sse.axis import X_KEYS, is_number, read_time
from jupyter_sse.table import flat

if TYPE_CHECKING:
    from collections.abc import Sequence


PAGE_LEVELS = 2
"""What is nested deeper is no number to the page."""


@dataclass(frozen=True)
class Block:
    """What a dict of lists of one length holds, by the rules of the page (``labextension/src/model/block.ts``).

    Attributes:
        length: points, at least one.
        columns: the lists by their names, those of times too.
        lists: the names of those that hold numbers.
        is_plotted: the rules draw it.
    """

    length: int
    columns: dict[str, list[Any]]
    lists: list[str]
    is_plotted: bool


def read_block(value: Any, x: str | None) -> Block | None:
    """Read an event's value as a block; None for one that is drawn as one point, or not at all.

    Args:
        value: the event's data.
        x: the key that is wanted for x; None: the rules choose.
    """
    if not isinstance(value, dict):
        return None
    fields = flat(value, PAGE_LEVELS)
    columns = {name: item for name, item in fields.items() if isinstance(item, list)}
    contents = {name: _content(column) for name, column in columns.items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or "other" in contents.values():
        return None
    lists = [name for name, content in contents.items() if content != "times"]
    values = [name for name in lists if name not in X_KEYS]
    # Numbers beside lists of which none is an x are the event's own.
    has_x = any(key in columns for key in X_KEYS) or x in columns
    if not values or (not has_x and any(is_number(item) and key not in X_KEYS for key, item in fields.items())):
        return None
    (length,) = lengths
    texts = sum(isinstance(item, str) and key not in X_KEYS for key, item in fields.items())
    has_numbers = any(contents[name] == "numbers" for name in values)
    return Block(length, columns, lists, length >= 2 and has_numbers and len(values) <= 40 and texts <= 2)


def _content(column: Sequence[Any]) -> str:
    """Tell what a list holds, None left out: numbers, times, nothing or other."""
    kinds = {type(item) for item in column} - {type(None)}
    if kinds <= {int, float}:
        return "numbers" if kinds else "nothing" if column else "other"
    first = next(item for item in column if item is not None)
    return "times" if kinds == {str} and read_time(first) is not None else "other"
