"""What a saved notebook keeps of a stream: its newest events as plain data, bounded."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_sse.table import flat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_sse.history import HistoryEvent
    from jupyter_sse.options import ViewOptions

SNAPSHOT_EVENTS = 2_000
"""How many of the newest events a snapshot is made of."""

POINTS = 1_600
SERIES = 8
ROWS = 20
COLUMNS = 12
CELL_CHARACTERS = 60
LINES = 20
LINE_CHARACTERS = 200

_STEP_KEYS = ("step", "global_step", "iteration", "iter", "i", "epoch", "batch", "frame")
_TIME_KEYS = ("time", "timestamp", "ts", "t", "datetime", "date", "@timestamp")
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
    values = [event.value() for event in events]
    rows = [_numbers_of(value) for value in values]
    kind = view.kind or _kind_of(values[-1], rows[-1])
    if kind == "progress" and (snapshot := _progress(values[-1], needs_total=view.kind is None)) is not None:
        return snapshot
    if kind == "plot" and (snapshot := _plot(events, values, rows, view)).series:
        return snapshot
    if kind in ("plot", "table") and any(isinstance(value, dict | list) for value in values):
        return _table(values)
    if kind == "value":
        return Snapshot("value", lines=[_cut(_text_of(values[-1]), LINE_CHARACTERS)])
    texts = [_cut(_log_line(value), LINE_CHARACTERS) for value in values[-LINES:]]
    return Snapshot("log", lines=texts)


def _kind_of(value: Any, numbers: dict[str, float | None]) -> str:
    if isinstance(value, bool) or value is None:
        return "value"
    if _progress(value) is not None:
        return "progress"
    if isinstance(value, dict):
        has_text = any(isinstance(value.get(key), str) for key in _TEXT_KEYS)
        plotted = numbers.keys() - {"level", "lineno", "x", *_STEP_KEYS, *_TIME_KEYS}
        if has_text and not plotted:
            return "log"
        texts = sum(isinstance(item, str) for item in flat(value).values())
        return "plot" if numbers and len(numbers) <= 40 and texts <= 2 else "table"
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "table"
    return "plot" if numbers else "log"


def _progress(value: Any, *, needs_total: bool = True) -> Snapshot | None:
    """Read an event as progress. Without a total, any count could be one."""
    total = value.get("total") if isinstance(value, dict) else None
    if not isinstance(value, dict) or (needs_total and not _is_number(total)):
        return None
    done = next((value[key] for key in _DONE_KEYS if _is_number(value.get(key))), None)
    return None if done is None else Snapshot("progress", n=done, total=total if _is_number(total) else None)


def _plot(
    events: Sequence[HistoryEvent],
    values: Sequence[Any],
    rows: Sequence[dict[str, float | None]],
    view: ViewOptions,
) -> Snapshot:
    x_key = view.x or next((key for key in ("x", *_STEP_KEYS, *_TIME_KEYS) if key in _keys(values[-1])), None)
    x = _x_values(events, values, x_key)
    names = list(view.y) if view.y else _series_names(rows, x_key)
    snapshot = Snapshot("plot", x_name=x_key or "time", x_is_time=x_key is None or x_key in _TIME_KEYS)
    for name in names[:SERIES]:
        points = [(at, row.get(name)) for at, row in zip(x, rows, strict=True) if at is not None and name in row]
        points = _thinned(points, POINTS // max(len(names[:SERIES]), 1))
        if any(y is not None for _, y in points):
            series = Series(
                name, [_short(at) for at, _ in points], [None if y is None else _short(y) for _, y in points]
            )
            snapshot.series.append(series)
    return snapshot


def _x_values(events: Sequence[HistoryEvent], values: Sequence[Any], key: str | None) -> list[float | None]:
    if key is None:
        times = [event.at for event in events]
        return times if None not in times else list(range(len(events)))
    found = [flat(value).get(key) for value in values]
    return [_milliseconds(x) if key in _TIME_KEYS else x if _is_number(x) else None for x in found]


def _milliseconds(time: Any) -> float | None:
    """Read a time: ISO 8601, or a number of the years 2000 to 2100 in s, ms, µs or ns."""
    if isinstance(time, str):
        try:
            return datetime.datetime.fromisoformat(time).timestamp() * 1000
        except ValueError:
            return None
    if not _is_number(time):
        return None
    return next((time * scale for scale in (1e3, 1, 1e-3, 1e-6) if 9.4e11 < time * scale < 4.2e12), time)


def _series_names(rows: Sequence[dict[str, float | None]], x_key: str | None) -> list[str]:
    names = {name: None for row in rows[-ROWS:] for name in row}
    left_out = {x_key, *_STEP_KEYS, *_TIME_KEYS} if len(names) > 1 else {x_key}
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
    if _is_number(value):
        return {"value": value}
    if isinstance(value, list) and value and len(value) <= 16 and all(_is_number(item) for item in value):
        return {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        return {}
    return {name: item for name, item in flat(value).items() if _is_number(item) or item is None}


def _keys(value: Any) -> set[str]:
    return set(flat(value)) if isinstance(value, dict) else set()


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


def _is_number(value: Any) -> bool:
    # Beyond, the distance of two numbers may be none.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
