"""A stream as a program holds it: to send to it, to look at it, to end it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_sse._rust import check_name
from jupyter_sse.client import CONFIRM_TIMEOUT, client
from jupyter_sse.error import LinkError, SSEError, UnknownStreamError
from jupyter_sse.failure import refused_value
from jupyter_sse.feed import Feed
from jupyter_sse.options import StreamOptions, stream_options
from jupyter_sse.origin import Origin

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping

    import pandas as pd

    from jupyter_sse.display import View


def stream(
    name: str,
    *,
    history: int | Mapping[str, float] | None = None,
    ping_interval: float | None = None,
    view: str | None = None,
    x: str | None = None,
    y: str | Iterable[str] | None = None,
    window: str | None = None,
) -> Stream:
    """Get a stream, or create it where there is none. The same name gives the same object until it is closed.

    Returns when the hub has confirmed the stream, where a hub is linked: after one second at most.

    Args:
        name: segments of letters, digits and ``._~-``, joined by ``/``.
        history: how much newcomers get: a number of events, or a dict of bounds "events", "bytes" and "seconds".
        ping_interval: seconds of silence after which readers are written a keep-alive.
        view: how it is shown: plot, table, log, value, progress or raw; by its events where it is not given.
        x: the key of the x axis.
        y: the keys that are drawn.
        window: how much of the x axis is shown, such as "60 s" or "1000".

    Raises:
        StreamNameError: no stream can have this name.
        ValueError: an option is wrong.
    """
    check_name(name)
    origin = Origin.here()
    options = stream_options(
        history=history, ping_interval=ping_interval, view=view, x=x, y=y, window=window, origin=origin
    )
    here = client()
    here.announce(origin)
    found = here.streams.get(name)
    if found is None:
        found = here.streams.setdefault(name, Stream(name))
        found._feed.options = options
        found._create_if_unknown()
    elif options.is_given:
        found._feed.options = options
    return found


class Stream:
    """A stream as a program holds it. Made by ``jupyter_sse.stream``.

    Can be sent to child processes, be they forked or spawned: there it has a link of its own.

    Attributes:
        name: of the stream.

    Threads: every method may be called from any thread, and from callbacks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._feed = Feed(name, StreamOptions(), Origin.here())

    def send(
        self,
        data: object,
        event: str | None = None,
        id: str | int | None = None,  # noqa: A002 - the field's name on the wire
        retry: int | None = None,
    ) -> None:
        """Send one event. Returns when it is queued; a full queue (64 MiB unsent) makes it wait.

        Args:
            data: what a cell could yield.
            event: its type; readers see "message" without one.
            id: what a returning reader names to resume, instead of the position.
            retry: the reconnection time that readers are told, in milliseconds.

        Raises:
            EncodeError: the event cannot be sent; the stream is as it was.
            OwnedError: a run of another kernel feeds this stream.
            StreamEndedError: it was closed here, or somebody stopped it.
        """
        try:
            self._feed.put(data, event, id, retry)
        except SSEError as error:
            # It is about the caller's line, not about ours.
            raise refused_value(error)  # noqa: B904 - it is the same error

    def send_all(self, iterable: Iterable[object] | AsyncIterable[object]) -> Any:
        """Send an event for each item.

        Args:
            iterable: of what a cell could yield. An asynchronous one gives a coroutine: ``await stream.send_all(…)``.

        Returns:
            The number of events.
        """
        if hasattr(iterable, "__aiter__"):
            return self._send_all_async(iterable)
        count = 0
        for item in iterable:
            self.send(item)
            count += 1
        return count

    async def _send_all_async(self, iterable: AsyncIterable[object]) -> int:
        count = 0
        async for item in iterable:
            self.send(item)
            count += 1
        return count

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the hub has confirmed what this process has sent.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            Whether it has.
        """
        return client().link.flush(timeout)

    async def aflush(self, timeout: float | None = None) -> bool:
        """Do what ``flush`` does, without blocking the event loop."""
        return await asyncio.to_thread(self.flush, timeout)

    def close(self) -> None:
        """Say that this process has nothing more to send. The stream ends with the last that feeds it."""
        self._feed.close()

    def stop(self) -> None:
        """End the stream: whatever feeds it is stopped, here or in another kernel.

        Raises:
            UnknownStreamError: there is no such stream.
            LinkError: the hub does not answer.
        """
        run = client().runs.get(self.name)
        if run is not None:
            run.stop()
            return
        answer = client().request("end", name=self.name)
        if answer.status == 404:
            raise UnknownStreamError(answer.body["message"])
        ours = client().streams.get(self.name)
        if ours is not None:
            ours._feed.stop_requested()

    def view(
        self,
        view: str | None = None,
        *,
        x: str | None = None,
        y: str | Iterable[str] | None = None,
        window: str | None = None,
    ) -> View:
        """Return a live view, to be the last expression of a cell or to be displayed.

        Args:
            view: plot, table, log, value, progress or raw.
            x: the key of the x axis.
            y: the keys that are drawn.
            window: how much of the x axis is shown.
        """
        from jupyter_sse.display import View

        asked = stream_options(view=view, x=x, y=y, window=window)
        options = asked if asked.is_given else self._feed.options
        return View(client(), self.name, options.view, Origin.here())

    @property
    def url(self) -> str | None:
        """The address at which readers get the stream; None where there is no server."""
        return client().stream_url(self.name)

    def revoke_tokens(self) -> int:
        """Take back every token that reads the stream, as ``%sse url`` makes them; who reads by one is disconnected.

        Returns:
            How many were good.

        Raises:
            UnknownStreamError: there is no such stream.
            LinkError: the hub does not answer.
        """
        answer = client().request("revoke", name=self.name)
        if answer.status != 200:
            raise UnknownStreamError(answer.body["message"])
        return answer.body["revoked"]

    def stats(self) -> dict[str, Any]:
        """Return what the hub knows of the stream: state, run, events, rate, subscribers and more.

        Raises:
            UnknownStreamError: there is no such stream.
            LinkError: the hub does not answer.
        """
        answer = client().request("stream", name=self.name)
        if answer.status != 200:
            raise UnknownStreamError(answer.body["message"])
        return answer.body

    def to_pandas(self) -> pd.DataFrame:
        """Return the history as a table: a row for each event, a column for each key.

        Keys of dicts in dicts are joined by dots. Events that are no dicts are in the column "data". Where events have
        types, they are in the column "event". The index is the time at which the server got the event, in UTC, to the
        millisecond.

        Raises:
            UnknownStreamError: there is no such stream.
        """
        from jupyter_sse.table import history_table

        return history_table(client(), self.name)

    def _create_if_unknown(self) -> None:
        # A stream that exists, even an ended one, is left as it is: opening it would start a new run.
        try:
            is_known = client().request("stream", timeout=CONFIRM_TIMEOUT, name=self.name).status != 404
        except LinkError:
            is_known = False
        if not is_known:
            self._feed.open()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.name, self._feed.options)

    def __repr__(self) -> str:
        return f"<Stream {self.name!r}>"

    def _ipython_display_(self) -> None:
        self.view().show_now()


def _restore(name: str, options: Any) -> Stream:
    """Make the stream in a child process that was spawned."""
    found = client().streams.get(name)
    if found is None:
        found = client().streams.setdefault(name, Stream(name))
        found._feed.options = options
    return found
