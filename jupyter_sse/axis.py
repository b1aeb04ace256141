"""What is x of a plot, by the rules of the page (``labextension/src/model/axis.ts``)."""

from __future__ import annotations

import datetime
from typing import Any

STEP_KEYS = ("step", "global_step", "iteration", "iter", "i", "epoch", "batch", "frame")
TIME_KEYS = ("time", "timestamp", "ts", "t", "datetime", "date", "@timestamp")
X_KEYS = ("x", *STEP_KEYS, *TIME_KEYS)
"""The keys that the rules take for x, the first that there is before the others."""


def is_number(value: Any) -> bool:
    """Tell whether a value is a number that can be drawn."""
    # Beyond, the distance of two numbers may be none.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def read_time(value: Any) -> float | None:
    """Read a time: ISO 8601, or a number of the years 2000 to 2100 in s, ms, µs or ns.

    Returns:
        Milliseconds since 1970; None for what is no time.
    """
    if isinstance(value, str):
        try:
            return datetime.datetime.fromisoformat(value).timestamp() * 1000
        except (ValueError, OverflowError, OSError):
            return None
    if not is_number(value):
        return None
    return next((value * scale for scale in (1e3, 1, 1e-3, 1e-6) if 9.4e11 < value * scale < 4.2e12), None)
