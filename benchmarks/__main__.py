"""`python -m benchmarks [PART …]`: run all parts, or those named, and print one table for each."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import send, sustained

PARTS = {"send": send.run, "sustained": sustained.run}


def main() -> int:
    """Run the parts and print their tables; write everything as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"one or more of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = parser.parse_args()
    unknown = set(chosen.part) - set(PARTS)
    if unknown:
        parser.error(f"expected one of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    print(f"{platform.platform()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    results = {}
    for name in chosen.part or PARTS:
        print(f"\n== {name}: {PARTS[name].__doc__.splitlines()[0]}")
        results[name] = PARTS[name]()
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
