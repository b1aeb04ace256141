"""Reading a stream: events one by one, resumed where they were left when the connection breaks."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_sse._rust import MAX_EVENT_BYTES, Decoder, ServerSentEvent, check_name
from jupyter_sse.client import client
from jupyter_sse.error import LinkError, SSEError, UnknownStreamError
from jupyter_sse.reconnection import Reconnection
from jupyter_sse.transport import (
    HTTP_SCHEMES,
    SILENCE_TIMEOUT,
    ChunkTask,
    DisconnectedError,
    RefusedError,
    StreamOverError,
    StreamRequest,
    read_http,
    read_http_async,
    read_socket,
    read_socket_async,
    subscribe_frame,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

END_ID = re.compile(r"[0-9A-Za-z]{11}-end-[0-9]+")
"""The id with which a reader that has seen a stream's end is told that there is nothing more."""

SHORTEST_CONFLATION = 0.001
LONGEST_CONFLATION = 3_600
"""The bounds of ``conflate``, in seconds, as over HTTP."""

NOTICE_INTERVAL = 0.5
"""A thread that waits before it comes back notices so often, in seconds, that its run is being stopped."""


def subscribe(
    name_or_url: str,
    *,
    last_event_id: str | int | None = None,
    conflate: float | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    silence_timeout: float | None = SILENCE_TIMEOUT,
    max_event_bytes: int = MAX_EVENT_BYTES,
) -> Subscription:
    """Read a stream, from its history on; iterate with ``async for`` or ``for``.

    Connections that break are made again, and go on after the last event that was yielded: not before the time that
    the server told, later after each failure. Events that the server no longer holds then are announced: by an event
    of the type ``sse.gap``, whose data says what is missing. Iteration ends with the stream, be it by ``sse.end`` or by
    the status 204; ``Subscription.end`` then says why.

    Args:
        name_or_url: the name of a stream of this notebook's server, or the address of any event stream.
        last_event_id: where to go on: yields what came after it.
        conflate: for a name: yields at most one event of each type in this time, always the last; seconds, from 0.001
            to 3,600. None: every event.
        token: for an address: sent as ``Authorization: Bearer``. A name needs none.
        headers: for an address: sent as well. Neither these nor the token follow a redirection to another server.
        ssl_context: for an address with https: whom to trust; by default whom httpx trusts.
        silence_timeout: for an address: seconds without a byte, not even a keep-alive, after which the connection is
            taken for dead and made again; None: never.
        max_event_bytes: the largest event; a larger one raises ``DecodeError``.

    Raises:
        StreamNameError: no stream can have this name.
        ValueError: no event can have this id, or ``conflate`` is no such time or comes with an address.

    Iterating raises ``UnknownStreamError`` where there is no such stream, ``LinkError`` where it cannot be read or, at
    the first attempt, reached.
    """
    cursor = None if last_event_id is None else str(last_event_id)
    if name_or_url.startswith(HTTP_SCHEMES):
        if conflate is not None:
            raise ValueError(
                f"conflate: expected with a stream's name, got {conflate!r} with an address; "
                "there it is a parameter of the address, ?conflate=0.5"
            )
        source: Source = Address(name_or_url, token, headers, ssl_context, silence_timeout)
        return Subscription(source, cursor, max_event_bytes)
    check_name(name_or_url)
    if conflate is not None and not SHORTEST_CONFLATION <= conflate <= LONGEST_CONFLATION:
        raise ValueError(f"conflate: expected seconds from 0.001 to 3,600, got {conflate!r:.80}")
    local = LocalStream(client().link_path, name_or_url, conflate=conflate)
    return Subscription(local, cursor, max_event_bytes)


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

    def __init__(
        self, path: str, name: str, *, start: str = "", control: bool = False, conflate: float | None = None
    ) -> None:
        self._path = path
        self._name = name
        self._start = start
        self._control = control
        self._conflate = conflate

    def connect(self, last_event_id: str | None, *, is_return: bool) -> AbstractContextManager[Iterator[bytes]]:
        """Connect, for a thread."""
        return read_socket(self._path, self._frame(last_event_id, is_return))

    def connect_async(
        self, last_event_id: str | None, *, is_return: bool
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Connect, for an event loop."""
        return read_socket_async(self._path, self._frame(last_event_id, is_return))

    def _frame(self, last_event_id: str | None, is_return: bool) -> bytes:
        return subscribe_frame(
            self._name,
            last_event_id,
            start=self._start,
            control=self._control,
            wait=is_return,
            conflate=self._conflate,
        )


class Address:
    """An event stream anywhere."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        silence_timeout: float | None = SILENCE_TIMEOUT,
    ) -> None:
        self._url = url
        self._given = dict(headers or {})
        if token is not None:
            self._given["Authorization"] = f"Bearer {token}"
        self._ssl_context = ssl_context
        self._silence_timeout = silence_timeout

    def connect(self, last_event_id: str | None, *, is_return: bool) -> AbstractContextManager[Iterator[bytes]]:  # noqa: ARG002
        """Connect, for a thread."""
        return read_http(self._request(last_event_id))

    def connect_async(
        self,
        last_event_id: str | None,
        *,
        is_return: bool,  # noqa: ARG002
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Connect, for an event loop."""
        return read_http_async(self._request(last_event_id))

    def _request(self, last_event_id: str | None) -> StreamRequest:
        headers = {}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        return StreamRequest(self._url, headers, self._given, self._ssl_context, self._silence_timeout)


class Subscription:
    """The events of a stream, to be iterated over with ``async for`` or ``for``.

    Iterating again goes on after the last event that was yielded.

    Attributes:
        last_event_id: of the last event that was yielded.
        end: what the stream's end said (``reason``, ``error``, …), once it has come.

    Threads: one iteration at a time.
    """

    def __init__(
        self, source: Source, last_event_id: str | None = None, max_event_bytes: int = MAX_EVENT_BYTES
    ) -> None:
        if last_event_id is not None and set("\0\r\n") & set(last_event_id):
            raise ValueError(f"last_event_id: expected one line without NUL, got {last_event_id!r:.80}")
        self.last_event_id = last_event_id or None
        self.end: dict[str, Any] | None = None
        self._source = source
        self._max_event_bytes = max_event_bytes
        self._was_connected = False
        self._was_let_in = False
        self._connected_at: float | None = None
        self._has_events = False
        self._reconnection = Reconnection()

    def __iter__(self) -> Iterator[ServerSentEvent]:
        while self.end is None:
            decoder = self._decoder()
            try:
                with self._source.connect(self.last_event_id, is_return=self._was_connected) as chunks:
                    self._connected()
                    for chunk in chunks:
                        for event in decoder.feed(chunk):
                            if self._is_for_user(event):
                                yield event
                        if self.end is not None:
                            return
                        self._read_all(decoder)
            except SSEError as error:
                self._fail_or_go_on(error)
            if self.end is None:
                _sleep(self._next_pause(decoder))

    async def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        while self.end is None:
            decoder = self._decoder()
            chunks = ChunkTask(self._source.connect_async(self.last_event_id, is_return=self._was_connected))
            try:
                await chunks.connected()
                self._connected()
                while (chunk := await chunks.next()) is not None:
                    for event in decoder.feed(chunk):
                        if self._is_for_user(event):
                            yield event
                    if self.end is not None:
                        return
                    self._read_all(decoder)
            except SSEError as error:
                self._fail_or_go_on(error)
            finally:
                chunks.cancel()
            if self.end is None:
                await asyncio.sleep(self._next_pause(decoder))

    def _decoder(self) -> Decoder:
        """Return a decoder for one more connection, to which an event without an id has the last one there was."""
        decoder = Decoder(self._max_event_bytes)
        if self.last_event_id is not None:
            decoder.feed(f"id: {self.last_event_id}\n\n".encode())
            decoder.reset()
        return decoder

    def _connected(self) -> None:
        self._was_connected = True
        self._connected_at = time.monotonic()
        self._has_events = False

    def _read_all(self, decoder: Decoder) -> None:
        # An id may also come in a block of its own.
        self.last_event_id = decoder.last_event_id or None

    def _is_for_user(self, event: ServerSentEvent) -> bool:
        self._has_events = True
        self.last_event_id = event.id or None
        end = _end_in(event) if event.event == "sse.end" else None
        if end is None:
            self._was_let_in = True
            return True
        if END_ID.fullmatch(event.id):
            self.end = end
            self._raise_refusal(end)
            return False
        # Of several streams over one connection one has ended; and who reads a stream that is still to come waits.
        return end.get("status") != 404

    def _raise_refusal(self, end: dict[str, Any]) -> None:
        """Raise a refusal that came before the first event, but not as the status: by the link, or too late for it."""
        status, error = end.get("status"), end.get("error")
        if end.get("reason") != "refused" or not isinstance(status, int) or self._was_let_in:
            return
        message = error.get("message") if isinstance(error, dict) else None
        raise _unreadable(RefusedError(status, str(message or "refused")))

    def _fail_or_go_on(self, error: SSEError) -> None:
        """Raise what will not mend itself."""
        if isinstance(error, StreamOverError):
            self.end = {"reason": "done", "status": 204, "error": None}
        elif isinstance(error, RefusedError) and error.retry_after is not None:
            self._reconnection.ask(error.retry_after)
        elif isinstance(error, RefusedError) and error.status >= 500 and self._was_connected:
            # Such is the answer of many a proxy before a server that is just being started anew.
            pass
        elif isinstance(error, RefusedError):
            raise _unreadable(error) from None
        elif not isinstance(error, DisconnectedError):
            raise error
        elif not self._was_connected:
            raise LinkError(f"The stream cannot be reached: {error}") from None

    def _next_pause(self, decoder: Decoder) -> float:
        begun, self._connected_at = self._connected_at, None
        lasted = 0.0 if begun is None else time.monotonic() - begun
        self._reconnection.settle(has_events=begun is not None and self._has_events, seconds=lasted)
        self._reconnection.tell(decoder.reconnection_time)
        return self._reconnection.next_pause()


def _unreadable(refusal: RefusedError) -> SSEError:
    kind = UnknownStreamError if refusal.status == 404 else LinkError
    return kind(f"The stream cannot be read: {refusal}")


def _sleep(seconds: float) -> None:
    """Sleep, and let a stop of the thread's run through."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, NOTICE_INTERVAL))


def _end_in(event: ServerSentEvent) -> dict[str, Any] | None:
    """Return what an end says; None where it is no end of ours, but what some other server calls so."""
    try:
        end = json.loads(event.data)
    except (ValueError, RecursionError):
        return None
    return end if isinstance(end, dict) else None
