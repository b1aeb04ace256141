"""`python -m benchmarks.our_cases`: each generator of :mod:`benchmarks.cases` as a stream of ours."""

from __future__ import annotations

import json
import sys

import jupyter_sse as sse
from benchmarks.cases import CASES


def main() -> None:
    """Register all; say so; wait."""
    for case in CASES:
        decorate = sse.broadcast if case.is_shared else sse.per_subscriber
        decorate(case.name)(case.function())
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
