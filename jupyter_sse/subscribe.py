"""Reading a stream: events one by one, resumed where they were left when the connection breaks."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_sse._rust import Decoder, ServerSentEvent, check_name
from jupyter_sse.client import client
from jupyter_sse.error import LinkError, SSEError, UnknownStreamError
from jupyter_sse.transport import (
    HTTP_SCHEMES,
    DisconnectedError,
    RefusedError,
    StreamOverError,
    read_http,
    read_http_async,
    read_socket,
    read_socket_async,
    subscribe_frame,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

DEFAULT_PAUSE = 2.0
LONGEST_PAUSE = 30.0


def subscribe(name_or_url: str, *, last_event_id: str | int | None = None, token: str | None = None) -> Subscription:
    """Read a stream, from its history on; iterate with ``async for`` or ``for``.

    Connections that break are made again, and go on after the last event that was yielded. Events that the server no
    longer holds then are announced: by an event of the type ``sse.gap``, whose data says what is missing. Iteration
    ends with the stream; ``Subscription.end`` then says why.

    Args:
        name_or_url: the name of a stream of this notebook's server, or the address of any event stream.
        last_event_id: where to go on: yields what came after it.
        token: for an address: sent as ``Authorization: Bearer``. A name needs none.

    Raises:
        StreamNameError: no stream can have this name.

    Iterating raises ``UnknownStreamError`` where there is no such stream, ``LinkError`` where it cannot be read.
    """
    cursor = None if last_event_id is None else str(last_event_id)
    if name_or_url.startswith(HTTP_SCHEMES):
        return Subscription(_Address(name_or_url, token), cursor)
    check_name(name_or_url)
    return Subscription(LocalStream(client().link_path, name_or_url), cursor)


class Source(Protocol):
    """Where a subscription's bytes come from."""

    def connect(self, last_event_id: str | None, *, is_return: bool) -> AbstractContextManager[Iterator[bytes]]:
        """Connect, for a thread."""

    def connect_async(
        self, last_event_id: str | None, *, is_return: bool
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Connect, for an event loop."""


class LocalStream:
    """A stream of the hub that this process is linked to."""

    def __init__(self, path: str, name: str, *, start: str = "", control: bool = False) -> None:
        self._path = path
        self._name = name
        self._start = start
        self._control = control

    def connect(self, last_event_id: str | None, *, is_return: bool) -> AbstractContextManager[Iterator[bytes]]:
        """Connect, for a thread."""
        return read_socket(self._path, self._frame(last_event_id, is_return))

    def connect_async(
        self, last_event_id: str | None, *, is_return: bool
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Connect, for an event loop."""
        return read_socket_async(self._path, self._frame(last_event_id, is_return))

    def _frame(self, last_event_id: str | None, is_return: bool) -> bytes:
        return subscribe_frame(self._name, last_event_id, start=self._start, control=self._control, wait=is_return)


class _Address:
    """An event stream anywhere."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._token = token

    def connect(self, last_event_id: str | None, *, is_return: bool) -> AbstractContextManager[Iterator[bytes]]:  # noqa: ARG002
        """Connect, for a thread."""
        return read_http(self._url, self._headers(last_event_id))

    def connect_async(
        self,
        last_event_id: str | None,
        *,
        is_return: bool,  # noqa: ARG002
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Connect, for an event loop."""
        return read_http_async(self._url, self._headers(last_event_id))

    def _headers(self, last_event_id: str | None) -> dict[str, str]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


class Subscription:
    """The events of a stream, to be iterated over with ``async for`` or ``for``.

    Iterating again goes on after the last event that was yielded.

    Attributes:
        last_event_id: of the last event that was yielded.
        end: what the stream's end said (``reason``, ``error``, …), once it has come.

    Threads: one iteration at a time.
    """

    def __init__(self, source: Source, last_event_id: str | None = None) -> None:
        self.last_event_id = last_event_id
        self.end: dict[str, Any] | None = None
        self._source = source
        self._was_connected = False
        self._failures = 0
        self._pause = DEFAULT_PAUSE

    def __iter__(self) -> Iterator[ServerSentEvent]:
        while self.end is None:
            decoder = Decoder()
            try:
                with self._source.connect(self.last_event_id, is_return=self._was_connected) as chunks:
                    self._connected()
                    for chunk in chunks:
                        for event in decoder.feed(chunk):
                            if self._is_for_user(event):
                                yield event
            except SSEError as error:
                self._fail_or_go_on(error)
            if self.end is None:
                time.sleep(self._next_pause(decoder))

    async def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        while self.end is None:
            decoder = Decoder()
            try:
                connection = self._source.connect_async(self.last_event_id, is_return=self._was_connected)
                async with connection as chunks:
                    self._connected()
                    async for chunk in chunks:
                        for event in decoder.feed(chunk):
                            if self._is_for_user(event):
                                yield event
            except SSEError as error:
                self._fail_or_go_on(error)
            if self.end is None:
                await asyncio.sleep(self._next_pause(decoder))

    def _connected(self) -> None:
        self._was_connected = True
        self._failures = 0

    def _is_for_user(self, event: ServerSentEvent) -> bool:
        if event.id:
            self.last_event_id = event.id
        end = _end_in(event) if event.event == "sse.end" else None
        if end is None:
            return True
        # A reader of a stream that does not exist yet waits for it.
        if end.get("status") != 404:
            self.end = end
        return False

    def _fail_or_go_on(self, error: SSEError) -> None:
        """Raise what will not mend itself."""
        self._failures += 1
        if isinstance(error, StreamOverError):
            self.end = {"reason": "done", "status": 204, "error": None}
        elif isinstance(error, RefusedError) and error.retry_after is not None:
            self._pause = error.retry_after
        elif isinstance(error, RefusedError):
            kind = UnknownStreamError if error.status == 404 else LinkError
            raise kind(f"The stream cannot be read: {error}") from None
        elif not isinstance(error, DisconnectedError):
            raise error
        elif not self._was_connected:
            raise LinkError(f"The stream cannot be reached: {error}") from None

    def _next_pause(self, decoder: Decoder) -> float:
        """Return how long to wait: what the server told, longer after each failure, and not when all others come."""
        if decoder.reconnection_time is not None:
            self._pause = decoder.reconnection_time / 1000
        pause = self._pause * 2 ** min(max(self._failures - 1, 0), 10)
        return min(pause, LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret


def _end_in(event: ServerSentEvent) -> dict[str, Any] | None:
    """Return what an end says; None where it is no end of ours, but what some other server calls so."""
    try:
        end = json.loads(event.data)
    except (ValueError, RecursionError):
        return None
    return end if isinstance(end, dict) else None
