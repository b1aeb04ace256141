"""A snapshot as static HTML, for viewers that know nothing of us. All text in it is escaped, nothing in it runs."""

from __future__ import annotations

import datetime
import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jupyter_sse.snapshot import Series, Snapshot

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 24

# Each at least 3.4:1 against white, and apart from one another for colour-blind eyes. After the last come dashes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#B8578D", "#333333")
DASHES = ("none", "6 3", "2 2")

_FONT = "font-family:sans-serif;font-size:12px"


def draw(snapshot: Snapshot) -> str:
    """Return a snapshot as HTML."""
    if snapshot.kind == "plot":
        return _plot(snapshot)
    if snapshot.kind == "table":
        return _table(snapshot)
    if snapshot.kind == "progress":
        return _progress(snapshot)
    if snapshot.kind == "value":
        return f'<div style="font-family:sans-serif;font-size:28px">{escape(snapshot.lines[-1])}</div>'
    return f'<pre style="font-size:12px;margin:0">{escape(chr(10).join(snapshot.lines))}</pre>'


def _plot(snapshot: Snapshot) -> str:
    x_low, x_high = _range(x for one in snapshot.series for x in one.x)
    y_low, y_high = _range(y for one in snapshot.series for y in one.y if y is not None)
    scale_x = (WIDTH - LEFT - RIGHT) / (x_high - x_low)
    scale_y = (HEIGHT - TOP - BOTTOM) / (y_high - y_low)

    def place(x: float, y: float) -> str:
        return f"{LEFT + (x - x_low) * scale_x:.1f} {TOP + (y_high - y) * scale_y:.1f}"

    lines = [_line(one, index, place) for index, one in enumerate(snapshot.series)]
    axes = [_y_tick(value, TOP + (y_high - value) * scale_y) for value in _ticks(y_low, y_high)]
    axes.append(_text(LEFT, HEIGHT - 6, _x_label(x_low, snapshot), "start"))
    axes.append(_text(WIDTH - RIGHT, HEIGHT - 6, _x_label(x_high, snapshot), "end"))
    if not snapshot.x_is_time:
        axes.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, escape(snapshot.x_name), "middle"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" style="background:#fff;color:#333;max-width:100%;{_FONT}">'
        f"{''.join(axes)}{''.join(lines)}</svg>{_legend(snapshot)}"
    )


def _line(series: Series, index: int, place: Callable[[float, float], str]) -> str:
    path: list[str] = []
    joins = False
    for x, y in zip(series.x, series.y, strict=True):
        # A missing value breaks the line.
        if y is not None:
            path.append(f"{'L' if joins else 'M'}{place(x, y)}")
        joins = y is not None
    # A line of one point is a dot.
    is_dot = len(path) == 1
    shape = f'd="{"".join(path)}{"h0" if is_dot else ""}" stroke-linecap="round" stroke-width="{5 if is_dot else 1.5}"'
    dashes = DASHES[index // len(COLOURS) % len(DASHES)]
    colour = COLOURS[index % len(COLOURS)]
    return f'<path {shape} fill="none" stroke="{colour}" stroke-dasharray="{dashes}"/>'


def _legend(snapshot: Snapshot) -> str:
    entries = []
    for index, one in enumerate(snapshot.series):
        last = next((y for y in reversed(one.y) if y is not None), None)
        colour = COLOURS[index % len(COLOURS)]
        entries.append(
            f'<span style="margin-right:16px"><span style="color:{colour}">&#9644;</span> '
            f"{escape(one.name)} <b>{_number(last)}</b></span>"
        )
    return f'<div style="{_FONT}">{"".join(entries)}</div>'


def _table(snapshot: Snapshot) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in snapshot.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in snapshot.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _progress(snapshot: Snapshot) -> str:
    total = snapshot.total
    if total is None or total <= 0:
        return f'<span style="{_FONT}">{_number(snapshot.n)}</span>'
    return (
        f'<progress max="{_number(total)}" value="{_number(snapshot.n)}" style="width:300px"></progress> '
        f'<span style="{_FONT}">{_number(snapshot.n)} of {_number(total)} {100 * snapshot.n / total:.0f} %</span>'
    )


def _range(numbers: Iterable[float]) -> tuple[float, float]:
    found = list(numbers)
    low, high = min(found), max(found)
    if low == high:
        margin = abs(low) / 2 or 1.0
        return low - margin, high + margin
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers between two."""
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(step * factor for factor in (5, 2, 1) if (high - low) / (step * factor) >= 2 or factor == 1)
    first = math.ceil(low / step)
    return [index * step for index in range(first, min(first + 8, math.floor(high / step) + 1))]


def _y_tick(value: float, y: float) -> str:
    line = f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd" stroke-width="1"/>'
    return line + _text(LEFT - 6, y + 4, _number(value), "end")


def _x_label(x: float, snapshot: Snapshot) -> str:
    if not snapshot.x_is_time or not 0 < x < 4e12:
        return _number(x)
    return datetime.datetime.fromtimestamp(x / 1000).astimezone().strftime("%H:%M:%S")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#555">{text}</text>'


def _number(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:,}" if isinstance(number, int) and abs(number) < 10**9 else f"{number:.5g}"
