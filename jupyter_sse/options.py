"""What a producer asks for when it opens a stream: its history, its keep-alive, how it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_sse.origin import Origin

VIEW_KINDS = ("plot", "table", "log", "value", "progress", "raw")
HISTORY_BOUNDS = ("events", "bytes", "seconds")
DEFAULT_HISTORY_BYTES = 16 << 20
BYTES_PER_EVENT = 1024

# What the views read, in labextension/src/views/plot/window.ts.
_WINDOW = re.compile(
    r"\s*(all|(?P<amount>\d+(\.\d+)?)\s*(points?|ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)?)\s*",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class ViewOptions:
    """How a stream is shown; None where the view is to choose by the events.

    Attributes:
        kind: one of ``VIEW_KINDS``.
        x: the key of the x axis.
        y: the keys that are drawn.
        window: how much of the x axis is shown.
    """

    kind: str | None = None
    x: str | None = None
    y: tuple[str, ...] | None = None
    window: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what views read."""
        y = None if self.y is None else list(self.y)
        return {"kind": self.kind, "x": self.x, "y": y, "window": self.window}


@dataclass(frozen=True)
class StreamOptions:
    """What a producer asks for.

    Attributes:
        history: bounds on what newcomers get.
        ping_interval: seconds of silence after which readers are written a keep-alive.
        view: how the stream is shown.
        origin: what a person calls the producer.
    """

    history: Mapping[str, float] | None = None
    ping_interval: float | None = None
    view: ViewOptions = ViewOptions()
    origin: str = ""

    @property
    def is_given(self) -> bool:
        """Something was asked for."""
        return self.history is not None or self.ping_interval is not None or self.view != ViewOptions()

    def as_json(self) -> dict[str, Any]:
        """Return what the hub reads."""
        return {
            "history": self.history,
            "ping_interval": self.ping_interval,
            "view": self.view.as_json() if self.view != ViewOptions() else None,
            "origin": self.origin,
        }


def stream_options(
    *,
    history: int | Mapping[str, float] | None = None,
    ping_interval: float | None = None,
    view: str | None = None,
    x: str | None = None,
    y: str | Iterable[str] | None = None,
    window: str | float | None = None,
    origin: Origin | None = None,
) -> StreamOptions:
    """Check the options of a stream; ``jupyter_sse.stream`` says what they are.

    Raises:
        ValueError: one is wrong; the message names it.
    """
    if ping_interval is not None and not (_is_number(ping_interval) and ping_interval > 0):
        raise ValueError(f"ping_interval: expected seconds above 0, got {ping_interval!r}")
    if view is not None and view not in VIEW_KINDS:
        raise ValueError(f"view: expected one of {', '.join(VIEW_KINDS)}, got {view!r}")
    if y is not None:
        y = tuple(key.strip() for key in y.split(",")) if isinstance(y, str) else tuple(y)
    return StreamOptions(
        history=None if history is None else _history(history),
        ping_interval=ping_interval,
        view=ViewOptions(view, x, y, None if window is None else check_window(window)),
        origin="" if origin is None else origin.text,
    )


def _history(history: int | Mapping[str, float]) -> dict[str, float]:
    if isinstance(history, Mapping):
        unknown = [key for key in history if key not in HISTORY_BOUNDS]
        if unknown or not all(_is_number(bound) and bound >= 0 for bound in history.values()):
            raise ValueError(
                f"history: expected bounds of 0 or more for {', '.join(HISTORY_BOUNDS)}, got {dict(history)!r}"
            )
        return dict(history)
    if isinstance(history, bool) or not isinstance(history, int) or history < 0:
        raise ValueError(f"history: expected a number of events, or a dict of bounds, got {history!r}")
    # A number alone is meant: the default bound on bytes must not undercut it.
    return {"events": history, "bytes": max(DEFAULT_HISTORY_BYTES, history * BYTES_PER_EVENT)}


def check_window(window: str | float) -> str:
    """Return how much of the x axis is shown as views read it.

    Raises:
        ValueError: it is none of a time, a number of points, and "all".
    """
    match = _WINDOW.fullmatch(str(window))
    if match is None or (match["amount"] is not None and float(match["amount"]) <= 0):
        raise ValueError(f"window: expected a time such as '60s', a number of points, or 'all', got {window!r}")
    return str(window)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
