"""The page of results: what the JSON files of a folder hold, as tables, beside their charts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.report import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HEAD = """# Results

Written by `make bench`, a part at a time; how it measures is told in [benchmarks](../../benchmarks/README.md).
"""


def write_page(folder: Path, order: Iterable[str]) -> None:
    """Write ``README.md`` anew from the files of all parts, those that were measured earlier included."""
    parts = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    sections = [section(name, parts[name]) for name in order if name in parts]
    folder.joinpath("README.md").write_text("\n".join([HEAD, *sections]))


def section(name: str, part: dict[str, Any]) -> str:
    """Return a part's heading, table and charts."""
    about = part["machine"]
    when = f"{about['cpu']}, {about['cores']} cores, load {about['load_average']:.1f}"
    lines = [f"## {name}", "", f"Commit {about['commit']}, {about['date']}; {when} when it began.", ""]
    lines += [in_line(COLUMNS), in_line("---" for _ in COLUMNS)]
    lines += [in_line(row_cells(row)) for row in part["rows"]]
    for chart in part["charts"]:
        lines += ["", f"![{chart.removesuffix('.svg')}]({chart})"]
    return "\n".join([*lines, ""])


def row_cells(row: dict[str, Any]) -> list[str]:
    """Return a row as it is on the terminal."""
    reached = {True: "yes", False: "**no**", None: ""}[row["reached"]]
    return [*(row[column] for column in COLUMNS[:-1]), reached]


def in_line(cells: Iterable[str]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cell.strip().replace('|', '/') for cell in cells)} |"
