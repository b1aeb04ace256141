"""`python -m benchmarks [PART …]`: run all parts, or those named; print the table, write JSON, charts and a page."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from benchmarks.chart import signed
from benchmarks.load import build
from benchmarks.peers import PEERS, USUAL, environment
from benchmarks.report import Part, Row, table
from benchmarks.results import write_page
from benchmarks.setting import Setting

if TYPE_CHECKING:
    from types import ModuleType

USUAL_PARTS = (
    "fanout",
    "cpu",
    "responsive",
    "memory",
    "opening",
    "send",
    "sustained",
    "latency",
    "encoder",
    "decoder",
    "replay",
    "portable",
    "growth",
)
ON_REQUEST = ("soak", "threads", "page", "side_by_side")
"""They take long, or a browser, or measure no speed."""

PLACE = Path(__file__).parent.parent / "docs" / "benchmarks"


def main() -> int:
    """Run the parts; return how many could not be run."""
    chosen = arguments()
    setting = Setting(is_quick=chosen.quick, seconds=chosen.seconds, peers=tuple(chosen.peers))
    about = machine.describe()
    print(f"{signature(about)}, load {about['load_average']:.1f}\nlogs: {setting.folder}", flush=True)
    build()
    parts: dict[str, Part] = {}
    failures = {}
    for name in chosen.part or USUAL_PARTS:
        try:
            parts[name] = measured(name, setting)
            if not chosen.quick:
                # At once: a run that is cut short leaves what it has found.
                write(chosen.output, name, parts[name], about)
        except (RuntimeError, OSError) as failure:
            failures[name] = str(failure)
            print(f"{name} could not be measured: {failure}", flush=True)
    rows = [row for part in parts.values() for row in part.rows]
    if len(parts) > 1:
        print(f"\n{table([*rows, *(Row(name, measured=f'failed: {why[:60]}') for name, why in failures.items())])}")
    if not chosen.quick:
        print(f"\nwritten to {chosen.output}")
    return len(failures)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = (*USUAL_PARTS, *ON_REQUEST)
    parser.add_argument(
        "part", nargs="*", metavar="PART", help=f"of {', '.join(known)} (default: all but the last four)"
    )
    parser.add_argument("--quick", action="store_true", help="small and short, to see that all runs; writes no files")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the soak lasts, and the page is watched")
    parser.add_argument("--peers", nargs="*", default=USUAL, choices=PEERS, help=f"default: {' '.join(USUAL)}")
    parser.add_argument("--output", type=Path, default=PLACE, help="where JSON and charts go")
    chosen = parser.parse_args()
    unknown = set(chosen.part) - set(known)
    if unknown:
        parser.error(f"expected parts of {', '.join(known)}, got {', '.join(sorted(unknown))}")
    return chosen


def measured(name: str, setting: Setting) -> Part:
    """Run one part and print what it has found."""
    module: ModuleType = importlib.import_module(f"benchmarks.{name}")
    print(f"\n== {name}: {module.run.__doc__.splitlines()[0]}", flush=True)
    started = time.monotonic()
    part = module.run(setting)
    seconds = time.monotonic() - started
    print(f"\n{table(part.rows)}\n{name} took {seconds:.0f} s", flush=True)
    part.figures["seconds"] = seconds
    return part


def signature(about: dict[str, Any]) -> str:
    """Return machine, versions and date in one line."""
    return (
        f"{about['cpu']}, {about['cores']} cores; jupyter_sse {about['jupyter_sse']} ({about['commit']}), "
        f"Python {about['python']}; {about['date']}"
    )


def write(folder: Path, name: str, part: Part, about: dict[str, Any]) -> None:
    """Write the figures of a part and its charts, machine and date in each file, and the page of all parts."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"machine": about | {"peers": environment.versions()}, **part.as_json()}
    folder.joinpath(f"{name}.json").write_text(json.dumps(figures, indent=1, default=str) + "\n")
    for file, svg in part.charts.items():
        folder.joinpath(file).write_text(signed(svg, signature(about)))
    write_page(folder, (*USUAL_PARTS, *ON_REQUEST))


if __name__ == "__main__":
    sys.exit(main())
