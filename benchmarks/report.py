"""What a part has found: rows of the table, all figures, charts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

COLUMNS = ("what", "goal", "measured", "ratio", "spread", "reached")


@dataclass
class Row:
    """One line of the table.

    Attributes:
        what: What was measured.
        goal: What it was to be; empty where there is no goal.
        measured: What it was, with unit.
        ratio: How it compares, in words such as "41 × nchan".
        spread: The least and the greatest of the repetitions.
        reached: Whether the goal is reached; None where there is none.
    """

    what: str
    goal: str = ""
    measured: str = ""
    ratio: str = ""
    spread: str = ""
    reached: bool | None = None

    def cells(self) -> list[str]:
        """Return the row as text."""
        reached = {True: "yes", False: "NO", None: ""}[self.reached]
        return [self.what, self.goal, self.measured, self.ratio, self.spread, reached]


@dataclass
class Part:
    """What a part of the benchmarks has found.

    Attributes:
        rows: For the table.
        figures: Everything, for the JSON file.
        charts: SVG by the name of its file.
    """

    rows: list[Row] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    charts: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return rows, figures and the names of the charts."""
        return {"rows": [asdict(row) for row in self.rows], "charts": list(self.charts), "figures": self.figures}


def table(rows: list[Row]) -> str:
    """Return rows as a table for a terminal."""
    lines = [list(COLUMNS), *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([texts[0], "-" * max(map(len, texts)), *texts[1:]])


def spread(values: list[float], unit: str = "", scale: float = 1.0) -> str:
    """Return the least and the greatest."""
    return f"{short(min(values) * scale)}–{short(max(values) * scale)}{unit}" if values else ""


def short(value: float) -> str:
    """Return a number as people write it: three digits, thousands with k, millions with M."""
    for limit, unit in ((1e6, " M"), (1e4, " k")):
        if abs(value) >= limit:
            return f"{value / (1e6 if unit == ' M' else 1e3):.3g}{unit}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def middle(values: list[float]) -> float:
    """Return the median."""
    return median(values)
