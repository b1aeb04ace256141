"""``track``: the progress of a loop as a stream."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jupyter_sse import failure
from jupyter_sse._rust import check_name
from jupyter_sse.client import client
from jupyter_sse.error import SSEError
from jupyter_sse.options import stream_options
from jupyter_sse.origin import Origin, cell_stream_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

    from jupyter_sse._rust import Producer
    from jupyter_sse.client import Client
    from jupyter_sse.display import View
    from jupyter_sse.options import ViewOptions

Item = TypeVar("Item")

INTERVAL = 0.1
"""Seconds between two events, at least; the last one is always sent."""

_lock = threading.Lock()
# What a cell has tracked without a name: its last execution, and the number of each place in the code.
_places: dict[str, tuple[Origin, dict[object, int]]] = {}
# The view of each stream that was shown last.
_views: dict[str, View] = {}


def track(
    iterable: Iterable[Item] | AsyncIterable[Item], name: str | None = None, *, total: int | None = None
) -> Track[Item]:
    """Iterate as before, and show how far it is: a stream of progress, with a view under the cell.

        for batch in sse.track(loader):
            ...

    Each event has ``n`` (done so far), ``total`` (None where it is unknown), ``elapsed`` and ``remaining`` in seconds
    and ``rate`` per second. At most ten a second are sent, and one at the end. Being stopped from the view ends the
    reports, never the loop.

    Args:
        iterable: what is iterated over, with ``for`` or ``async for``.
        name: of the stream; that of the cell, with ``/track`` behind it, where none is given. A second ``track`` in the
            cell is ``/track-2``. A loop that runs again, as in another loop, is shown where it was.
        total: how many there are, where ``len`` does not know.

    Raises:
        TypeError: nothing can iterate over it.
        StreamNameError: no stream can have this name.
        OwnedError: another kernel owns the stream's run; raised when the iteration begins.
    """
    if not any(hasattr(iterable, method) for method in ("__iter__", "__aiter__", "__getitem__")):
        remedy = f"; count with sse.track(range({iterable}))" if isinstance(iterable, int) else ""
        raise TypeError(f"track: expected something to iterate over, got {iterable!r:.80}{remedy}")
    if name is not None:
        check_name(name)
    origin = Origin.here()
    if name is None:
        caller = sys._getframe(1)
        base = f"{cell_stream_name(origin, client().place.notebook)}/track"
        name = _numbered(base, origin, (caller.f_code, caller.f_lasti))
    return Track(iterable, name, total if total is not None else _length(iterable), origin)


def _numbered(base: str, origin: Origin, place: object) -> str:
    """Return a name of its own for each place in a cell's code, the same whenever the cell runs."""
    with _lock:
        execution, numbers = _places.get(base, (origin, {}))
        if not execution.is_same_execution(origin):
            numbers = {}
        _places[base] = (origin, numbers)
        number = numbers.setdefault(place, len(numbers) + 1)
    return base if number == 1 else f"{base}-{number}"


def _show(here: Client, name: str, options: ViewOptions, origin: Origin, run: int | None) -> View:
    """Show a run below its cell, in the place of an earlier run that the same execution has shown."""
    from jupyter_sse.display import View

    with _lock:
        shown = _views.get(name)
        if shown is not None and shown.origin.is_same_execution(origin):
            view = shown.replaced(run)
        else:
            view = View(here, name, options, origin, run)
        _views[name] = view
    view.show()
    return view


def _length(iterable: Any) -> int | None:
    try:
        return len(iterable)
    except TypeError:
        return None


def _line_of_loop(origin: Origin) -> int | None:
    """Return the line at which the loop stands that is iterating now: its cell's, or its program's."""
    frame, line = sys._getframe(1), None
    while frame is not None:
        is_ours = frame.f_code.co_filename == __file__
        if origin.shell is None and not is_ours:
            return frame.f_lineno
        # The outermost, for what the cell calls may be defined in another cell.
        if origin.shell is not None and frame.f_globals is origin.shell.user_global_ns:
            line = frame.f_lineno
        frame = frame.f_back
    return line


class Track(Generic[Item]):
    """An iterable that reports its progress. Made by ``track``."""

    def __init__(
        self, iterable: Iterable[Item] | AsyncIterable[Item], name: str, total: int | None, origin: Origin
    ) -> None:
        self.name = name
        self._iterable = iterable
        self._total = total
        self._origin = origin

    def __iter__(self) -> Iterator[Item]:
        with _Report(self.name, self._total, self._origin) as report:
            for item in self._iterable:
                yield item
                report.step()

    async def __aiter__(self) -> AsyncIterator[Item]:
        with _Report(self.name, self._total, self._origin) as report:
            async for item in self._iterable:
                yield item
                report.step()

    def __len__(self) -> int:
        if self._total is None:
            raise TypeError(f"{type(self._iterable).__name__} does not know its length")
        return self._total


class _Report:
    """The stream of one iteration."""

    def __init__(self, name: str, total: int | None, origin: Origin) -> None:
        self._name = name
        self._total = total
        self.origin = origin
        self._n = 0
        self._producer: Producer | None = None
        self._view: View | None = None

    def __enter__(self) -> _Report:
        here = client()
        here.announce(self.origin)
        options = stream_options(view="progress", origin=self.origin)
        self._producer = here.open(self._name, "run", options.as_json(), self)
        if self.origin.shell is not None:
            self._view = _show(here, self._name, options.view, self.origin, self._producer.run)
        self._begun = monotonic()
        self._next = self._begun
        self.send(self._begun)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _frames: object) -> None:
        self.send(monotonic())
        if kind is None or kind is GeneratorExit:
            self._end("done" if kind is None else "stopped")
        else:
            # The error has not come as far as the cell yet, so its traceback does not know the cell's line.
            told = {**failure.describe(error), "line": _line_of_loop(self.origin)}
            self._end("error", json.dumps(told))
        if self._view is not None and self.origin.is_unattended:
            with contextlib.suppress(SSEError):
                self._view.refresh()

    def step(self) -> None:
        """Count one more."""
        self._n += 1
        now = monotonic()
        if now >= self._next:
            self.send(now)

    def send(self, now: float) -> None:
        """Tell how far it is."""
        self._next = now + INTERVAL
        producer = self._producer
        if producer is None:
            return
        elapsed = now - self._begun
        rate = self._n / elapsed if elapsed > 0 else None
        left = None if self._total is None or not rate else max(self._total - self._n, 0) / rate
        values = {"n": self._n, "total": self._total, "rate": rate, "elapsed": elapsed, "remaining": left}
        try:
            producer.send(values)
        except SSEError:
            # Stopped from outside, or refused: the loop is worth more than its report.
            self._producer = None

    def _end(self, reason: str, error: str | None = None) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            client().release(producer)
            producer.end(reason, error)
        if self._view is not None:
            self._view.close()

    def stop_requested(self) -> None:
        """Called by the client: no reports any more."""
        self._end("stopped")

    def refused(self, _message: str) -> None:
        """Called by the client: no reports any more."""
        self._end("stopped")

    def process_ends(self) -> None:
        """Called by the client: this process is about to end."""
        self._end("stopped")

    def forked(self) -> None:
        """Called by the client in a forked child: the parent's loop goes on there."""
        self._producer = None
