"""Charts as SVG, written by hand: they follow the page's light or dark and need no library."""

from __future__ import annotations

import math
from html import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 68, 40
COLORS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2", "#64748b")
"""Of the series in their order: ours first."""

STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #1f2937 } .title { font-size: 14px; font-weight: 600 }
.small { font-size: 10px } line { stroke: #9ca3af; stroke-width: .5 }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb } line { stroke: #4b5563 } }
</style>"""


def short(value: float) -> str:
    """Return a number for an axis or a bar."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


class Scale:
    """A logarithmic axis over whole decades.

    Args:
        values: What has to fit.
        start: Where it begins, in pixels.
        length: How long it is, in pixels; negative: it goes up.
    """

    def __init__(self, values: list[float], start: float, length: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self._start, self._length = start, length

    def __call__(self, value: float) -> float:
        """Return where a value stands, in pixels."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + share * self._length

    def decades(self) -> list[float]:
        """Return the values of its marks."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def bars(title: str, groups: list[str], series: dict[str, list[float | None]], unit: str = "/s") -> str:
    """Return bars in groups, logarithmic; None is drawn as "none"."""
    known = [value for values in series.values() for value in values if value]
    if not known:
        return frame(title, [])
    y = Scale([min(known) / 2, *known], HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)
    parts = [*legend(list(series)), *rules(y, unit)]
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    wide = room * 0.86 / len(series)
    for at, group in enumerate(groups):
        parts.append(text(LEFT + room * (at + 0.5), HEIGHT - BOTTOM + 20, group, "middle"))
        for number, values in enumerate(series.values()):
            x = LEFT + room * (at + 0.07) + wide * number
            parts += bar(x, wide, values[at], y, COLORS[number % len(COLORS)])
    return frame(title, parts)


def bar(x: float, wide: float, value: float | None, y: Scale, color: str) -> list[str]:
    """Return one bar and what stands above it."""
    floor = HEIGHT - BOTTOM
    if not value:
        words = text(0, 0, "none", kind="small")
        return [f'<g transform="translate({x + wide / 2 + 3:.1f} {floor - 4:.1f}) rotate(-90)">{words}</g>']
    top = y(value)
    return [
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{wide - 2:.1f}" height="{floor - top:.1f}" fill="{color}"/>',
        text(x + wide / 2 - 1, top - 4, short(value), "middle", "small"),
    ]


def lines(title: str, across: str, series: dict[str, list[tuple[float, float]]], unit: str = "") -> str:
    """Return lines over points, both axes logarithmic; ``across`` names the horizontal one."""
    points = [point for line in series.values() for point in line if point[0] > 0 and point[1] > 0]
    if not points:
        return frame(title, [])
    x = Scale([point[0] for point in points], LEFT, WIDTH - LEFT - RIGHT)
    y = Scale([point[1] for point in points], HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)
    parts = [*legend(list(series)), *rules(y, unit)]
    parts += [text(x(mark), HEIGHT - BOTTOM + 16, short(mark), "middle") for mark in x.decades()]
    parts.append(text((WIDTH + LEFT) / 2, HEIGHT - 6, across, "middle"))
    for number, line in enumerate(series.values()):
        color = COLORS[number % len(COLORS)]
        places = [(x(a), y(b)) for a, b in line if a > 0 and b > 0]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{color}"/>' for a, b in places]
    return frame(title, parts)


def legend(names: list[str]) -> list[str]:
    """Return the names of the series with their colours."""
    parts, x = [], float(LEFT)
    for number, name in enumerate(names):
        parts.append(f'<rect x="{x:.0f}" y="34" width="10" height="10" fill="{COLORS[number % len(COLORS)]}"/>')
        parts.append(text(x + 14, 43, name))
        x += 26 + 6.6 * len(name)
    return parts


def rules(y: Scale, unit: str) -> list[str]:
    """Return the horizontal lines and what they mean."""
    parts = []
    for mark in y.decades():
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>')
        parts.append(text(LEFT - 6, y(mark) + 4, short(mark) + unit, "end"))
    return parts


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """Return words at a place."""
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def frame(title: str, parts: list[str]) -> str:
    """Return the whole file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    return "\n".join(
        [head, f"<title>{escape(title)}</title>", STYLE, text(LEFT, 20, title, kind="title"), *parts, "</svg>\n"]
    )


def signed(svg: str, words: str) -> str:
    """Return a chart with machine and date below it."""
    line = text(LEFT, HEIGHT + 14, words, kind="small")
    taller = svg.replace(f"0 0 {WIDTH} {HEIGHT}", f"0 0 {WIDTH} {HEIGHT + 22}", 1)
    return taller.replace("</svg>", f"{line}\n</svg>")
