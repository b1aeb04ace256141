"""What a saved notebook keeps of a stream: its newest events as plain data, bounded."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_sse.axis import STEP_KEYS, TIME_KEYS, X_KEYS, is_number, read_time
from jupyter_sse.block import Block, read_block
from jupyter_sse.table import flat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jupyter_sse.history import HistoryEvent
    from jupyter_sse.options import ViewOptions

SNAPSHOT_EVENTS = 2_000
"""How many of the newest events a snapshot is made of."""

SNAPSHOT_CHARACTERS = 1 << 20
"""Of the data of these events; events of many points are long, and reading them keeps the kernel from its work."""

POINTS = 1_600
SERIES = 8
ROWS = 20
COLUMNS = 12
CELL_CHARACTERS = 60
LINES = 20
LINE_CHARACTERS = 200

_DONE_KEYS = ("n", "current", "done")
_TEXT_KEYS = ("message", "msg", "text", "log", "line")


@dataclass
class Series:
    """One line of a plot, in the order of its points."""

    name: str
    x: list[float] = field(default_factory=list)
    y: list[float | None] = field(default_factory=list)


@dataclass
class Snapshot:
    """What is kept. Of the parts, ``kind`` says which is filled.

    Attributes:
        kind: plot, table, log, value or progress.
        x_name: of the x axis of a plot.
        x_is_time: whether x counts milliseconds since 1970.
    """

    kind: str
    series: list[Series] = field(default_factory=list)
    x_name: str = ""
    x_is_time: bool = False
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    n: float = 0
    total: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the part that ``kind`` names."""
        parts: dict[str, dict[str, Any]] = {
            "plot": {
                "x": {"name": self.x_name, "is_time": self.x_is_time},
                "series": [{"name": one.name, "x": one.x, "y": one.y} for one in self.series],
            },
            "table": {"columns": self.columns, "rows": self.rows},
            "progress": {"n": self.n, "total": self.total},
        }
        return {"kind": self.kind, **parts.get(self.kind, {"lines": self.lines})}


def take_snapshot(events: Sequence[HistoryEvent], view: ViewOptions) -> Snapshot | None:
    """Make a snapshot of a stream's newest events; None where there are none.

    The kind is the view's own where the events fit it, else what the last event looks like.
    """
    if not events:
        return None
    events = _newest(events)
    values = [event.value() for event in events]
    kind = view.kind or _kind_of(values[-1])
    if kind == "progress" and (snapshot := _progress(values[-1], needs_total=view.kind is None)) is not None:
        return snapshot
    if kind == "plot" and (snapshot := _plot(events, values, view)).series:
        return snapshot
    if kind in ("plot", "table") and any(isinstance(value, dict | list) for value in values):
        return _table(values)
    if kind == "value":
        return Snapshot("value", lines=[_cut(_text_of(values[-1]), LINE_CHARACTERS)])
    texts = [_cut(_log_line(value), LINE_CHARACTERS) for value in values[-LINES:]]
    return Snapshot("log", lines=texts)


def _newest(events: Sequence[HistoryEvent]) -> Sequence[HistoryEvent]:
    characters = 0
    for index in range(len(events) - 1, -1, -1):
        characters += len(events[index].text)
        if characters > SNAPSHOT_CHARACTERS:
            return events[min(index + 1, len(events) - 1) :]
    return events


def _kind_of(value: Any) -> str:
    numbers = _numbers_of(value)
    if isinstance(value, bool) or value is None:
        return "value"
    if _progress(value) is not None:
        return "progress"
    if isinstance(value, dict):
        has_text = any(isinstance(value.get(key), str) for key in _TEXT_KEYS)
        plotted = numbers.keys() - {"level", "lineno", *X_KEYS}
        if has_text and not plotted:
            return "log"
        texts = sum(isinstance(item, str) for item in flat(value).values())
        if numbers and len(numbers) <= 40 and texts <= 2:
            return "plot"
        block = read_block(value, None)
        return "plot" if block is not None and block.is_plotted else "table"
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "table"
    return "plot" if numbers else "log"


def _progress(value: Any, *, needs_total: bool = True) -> Snapshot | None:
    """Read an event as progress. Without a total, any count could be one."""
    total = value.get("total") if isinstance(value, dict) else None
    if not isinstance(value, dict) or (needs_total and not is_number(total)):
        return None
    done = next((value[key] for key in _DONE_KEYS if is_number(value.get(key))), None)
    return None if done is None else Snapshot("progress", n=done, total=total if is_number(total) else None)


@dataclass(frozen=True)
class _Read:
    """An event as a plot reads it.

    Attributes:
        at: when the hub got it; None where it does not tell.
        fields: its data, flattened.
        row: what can be drawn, by the names of its lines; of a block the names alone.
        block: its points, where it holds many.
    """

    at: int | None
    fields: dict[str, Any]
    row: dict[str, float | None]
    block: Block | None

    @property
    def points(self) -> int:
        """How many points it is to the page; one without a number is none."""
        if self.block is not None:
            return self.block.length
        return int(any(y is not None for y in self.row.values()))

    def ys(self, name: str) -> Iterable[float | None]:
        """Return the values of a line, one for each point."""
        if self.block is None:
            return [self.row[name]]
        return (item if is_number(item) else None for item in self.block.columns[name])


def _read(event: HistoryEvent, value: Any, wanted_x: str | None) -> _Read:
    block = read_block(value, wanted_x)
    row = _numbers_of(value) if block is None else dict.fromkeys(block.lists)
    return _Read(event.at, flat(value), row, block)


@dataclass(frozen=True)
class _Axis:
    """What x is: a key, or None for the time of the event, or for the number of the point."""

    key: str | None
    is_time: bool

    @property
    def name(self) -> str:
        return self.key or ("time" if self.is_time else "point number")


def _plot(events: Sequence[HistoryEvent], values: Sequence[Any], view: ViewOptions) -> Snapshot:
    reads = [_read(event, value, view.x) for event, value in zip(events, values, strict=True)]
    axis = _axis(reads[-1], view.x)
    names = (list(view.y) if view.y else _series_names(reads, axis.key))[:SERIES]
    points: dict[str, list[tuple[float, float | None]]] = {name: [] for name in names}
    for x, read in zip(_x_values(reads, axis), reads, strict=True):
        for name in names:
            if name in read.row:
                points[name] += ((at, y) for at, y in zip(x, read.ys(name), strict=True) if at is not None)
    ends = [at for found in points.values() for at, _ in found]
    decimals = _decimals(max(ends) - min(ends)) if ends else 0
    snapshot = Snapshot("plot", x_name=axis.name, x_is_time=axis.is_time)
    for name, found in points.items():
        kept = _thinned(found, POINTS // max(len(names), 1))
        if any(y is not None for _, y in kept):
            ys = [None if y is None else _short(y) for _, y in kept]
            snapshot.series.append(Series(name, [_rounded(at, decimals) for at, _ in kept], ys))
    return snapshot


def _axis(last: _Read, wanted: str | None) -> _Axis:
    """Choose the axis by the last event."""
    keys = (wanted,) if wanted else X_KEYS
    if last.block is None:
        key = next((key for key in keys if key in last.fields), wanted or None)
        sample = last.fields.get(key)
    else:
        key = next((key for key in keys if key in last.block.columns), None)
        sample = next((item for item in last.block.columns.get(key, ()) if item is not None), None)
    if key is None:
        return _Axis(None, is_time=last.block is None)
    return _Axis(key, is_time=(key in TIME_KEYS or isinstance(sample, str)) and read_time(sample) is not None)


def _x_values(reads: Sequence[_Read], axis: _Axis) -> Iterable[Sequence[float | None]]:
    """Yield the x of each event's points; those of a block that have none stand with the one before."""
    has_times = all(read.at is not None for read in reads)
    last_point = 0
    for number, read in enumerate(reads):
        length = 1 if read.block is None else read.block.length
        last_point += read.points
        column = None if read.block is None else read.block.columns.get(axis.key)
        if column is not None:
            before = None
            yield [before := _x_of(axis.key, item, before) for item in column]
        elif axis.key is not None:
            yield [_x_of(axis.key, read.fields.get(axis.key), None)] * length
        elif axis.is_time:
            yield [read.at if has_times else number] * length
        else:
            yield range(last_point - length + 1, last_point + 1)


def _x_of(key: str, item: Any, otherwise: float | None) -> float | None:
    """Return x as a number: milliseconds since 1970 where it is a time."""
    time = read_time(item) if key in TIME_KEYS or isinstance(item, str) else None
    return time if time is not None else item if is_number(item) else otherwise


def _series_names(reads: Sequence[_Read], x_key: str | None) -> list[str]:
    names = {name: None for read in reads[-ROWS:] for name in read.row}
    left_out = {x_key, *STEP_KEYS, *TIME_KEYS} if len(names) > 1 else {x_key}
    return [name for name in names if name not in left_out] or [name for name in names if name != x_key]


def _thinned(points: list[tuple[float, float | None]], most: int) -> list[tuple[float, float | None]]:
    """Keep the lowest and the highest of each stretch, so that no outlier is lost."""
    if len(points) <= most:
        return points
    stretch = math.ceil(len(points) / max(most // 2, 1))
    kept = []
    for start in range(0, len(points), stretch):
        part = range(start, min(start + stretch, len(points)))
        known = [index for index in part if points[index][1] is not None]
        if not known:
            kept.append(points[start])
            continue
        lowest = min(known, key=lambda index: points[index][1])
        highest = max(known, key=lambda index: points[index][1])
        kept += [points[index] for index in sorted({lowest, highest})]
    return kept


def _table(values: Sequence[Any]) -> Snapshot:
    last = values[-1]
    # A list of dicts is a table by itself; else each event is a row.
    rows = last if isinstance(last, list) and all(isinstance(item, dict) for item in last) else values
    shown = [flat(row) for row in rows[-ROWS:]]
    columns = list({name: None for row in shown for name in row})[:COLUMNS]
    cells = [[_cut(_text_of(row[name]), CELL_CHARACTERS) if name in row else "" for name in columns] for row in shown]
    return Snapshot("table", columns=[_cut(name, CELL_CHARACTERS) for name in columns], rows=cells)


def _numbers_of(value: Any) -> dict[str, float | None]:
    """Return what a plot can draw of a value, by the names of its lines."""
    if is_number(value):
        return {"value": value}
    if isinstance(value, list) and value and len(value) <= 16 and all(is_number(item) for item in value):
        return {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        return {}
    return {name: item for name, item in flat(value).items() if is_number(item) or item is None}


def _log_line(value: Any) -> str:
    if isinstance(value, dict):
        text = next((value[key] for key in _TEXT_KEYS if isinstance(value.get(key), str)), None)
        level = value.get("level")
        if text is not None:
            return f"{level} {text}" if isinstance(level, str) else text
    return _text_of(value)


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        # As the page writes it: true, not True.
        return f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return f"{type(value).__name__}, nested too deeply to be shown"


def _cut(text: str, most: int) -> str:
    line = " ".join(text.split("\n"))
    return line if len(line) <= most else line[: most - 1] + "…"


def _short(number: float) -> float:
    return number if isinstance(number, int) else float(f"{number:.6g}")


def _decimals(span: float) -> int:
    """Return how many decimals tell apart the 100,000th parts of a stretch."""
    return 5 - math.floor(math.log10(span)) if span > 0 else 6


def _rounded(x: float, decimals: int) -> float:
    if isinstance(x, int):
        return x
    rounded = round(x, max(decimals, 0))
    return int(rounded) if decimals <= 0 and abs(x) < 2**53 else rounded
