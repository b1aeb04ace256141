"""The portable path: readers whose sockets stay with Tornado, such as those behind TLS.

What a write costs is what counts here (46 to 154 µs with TLS), so there is no coroutine for each reader but one
pass over all readers that have something to get, and the passes keep a distance that grows with their length.
The hub decides what a reader gets, as for sockets of its own; the bytes, head included, are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from functools import partial
from random import randrange
from typing import TYPE_CHECKING

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.log import app_log

from jupyter_sse.server.unsent import bound_unsent, give_up, progress, say_and_close, send_now

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Iterator

    from tornado.iostream import IOStream

    from jupyter_sse._rust import Hub, Subscription

SLICE = 0.005
"""Seconds after which a pass lets Tornado's loop do other work."""

USUAL_WINDOW = 0.020
"""Seconds between two passes, unless they are very short or very long; see :func:`window_after`."""

PATIENCE = 0.5
"""Seconds that readers have at the server's end to take what waits for them."""

LOOK_INTERVAL = 1.0
"""Seconds after which it is looked whether those who take a large piece slowly have taken some, at the most."""

INPUT_BYTES = 4_096
"""How much of what a reader sends is dropped at a time."""


class PortableSockets:
    """The readers on the portable path of one server. Everything runs on Tornado's loop."""

    def __init__(self, hub: Hub, reconnection_time: int, stall_timeout: float | None = None) -> None:
        self._hub = hub
        self._reconnection_time = reconnection_time
        self._streams: dict[int, IOStream] = {}
        self._stall_timeout = stall_timeout
        self._unfinished: dict[int, tuple[int, int]] = {}
        self._is_looking = False
        self._has_written = asyncio.Event()
        self._descriptor: int | None = None
        self._next_pass = 0.0
        self._length = 0.0
        self._pieces: Iterator[tuple[int, bytes, bool]] = iter(())
        self._is_closed = False

    def __len__(self) -> int:
        """Return how many readers are connected."""
        return len(self._streams)

    def add(self, subscription: Subscription, stream: IOStream, head: bytes) -> None:
        """Take over ``stream``, detached from HTTP: write ``head`` to it, then what the subscription gets."""
        reader = self._hub.portable(subscription, head)
        self._streams[reader] = stream
        stream.set_nodelay(True)
        bound_unsent(stream)
        stream.set_close_callback(partial(self._forget, reader))
        self._discard_input(stream)
        if self._descriptor is None:
            self._descriptor = self._hub.portable_fileno()
            self._watch()

    async def close(self) -> None:
        """Write what there is, tell each reader when to come back, not all at once, and close the connections.

        Those that take it slowly have half a second for it; where there are thousands, half as much more goes into
        giving each of them its piece.
        """
        self._is_closed = True
        if self._descriptor is not None:
            IOLoop.current().remove_handler(self._descriptor)
        for stream in self._streams.values():
            # Nobody has to be told of the end, and thousands are to be closed at once.
            stream.set_close_callback(None)
        told = await self._write_last_pieces()
        streams, self._streams = self._streams, {}
        for reader, stream in streams.items():
            if reader in told:
                stream.close()
                continue
            middle = self._reconnection_time
            say_and_close(stream, b"retry: %d\n\n" % randrange(middle // 2, middle * 3 // 2 + 1))  # noqa: S311

    async def _write_last_pieces(self) -> set[int]:
        """Write to all; return those who have been given all there is, a time to come back among it."""
        deadline = time.monotonic() + PATIENCE
        end = deadline + PATIENCE / 2
        # What a pass has left unwritten goes into one write with what follows it.
        unwritten = {reader: chunk for reader, chunk, _ in self._pieces}
        for reader in unwritten:
            self._hub.drained(reader)
        self._hub.let_go()
        told: set[int] = set()
        pieces = self._hub.drain()
        while (pieces or self._unfinished) and time.monotonic() < deadline:
            for reader, chunk, is_last in pieces:
                if reader not in told and time.monotonic() < end:
                    # Closing takes longer than writing: it waits until all have their piece.
                    self._write(reader, unwritten.pop(reader, b"") + chunk, is_last=False)
                    if is_last:
                        told.add(reader)
            pieces = self._hub.drain()
            if not pieces and self._unfinished:
                await self._wait_for_a_reader(deadline)
        return told

    async def _wait_for_a_reader(self, deadline: float) -> None:
        """Wait until some reader has taken all that it was given, or until ``deadline``."""
        self._has_written.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_written.wait(), deadline - time.monotonic())

    def _watch(self) -> None:
        if not self._is_closed and self._descriptor is not None:
            IOLoop.current().add_handler(self._descriptor, self._on_ready, IOLoop.READ)

    def _on_ready(self, descriptor: int, events: int) -> None:  # noqa: ARG002
        """Some reader has something to get: make a pass when the window since the last one is over."""
        loop = IOLoop.current()
        loop.remove_handler(descriptor)
        loop.call_at(max(self._next_pass, loop.time()), self._begin_pass)

    def _begin_pass(self) -> None:
        self._length = 0.0
        self._pieces = iter(self._hub.drain())
        self._go_on()

    def _go_on(self) -> None:
        """Write for a slice of time; then others have the loop before the pass goes on."""
        if self._is_closed:
            return
        started = time.monotonic()
        length = 0.0
        while length < SLICE:
            piece = next(self._pieces, None)
            if piece is not None:
                self._give(*piece)
            elif not self._begin_round(self._length + length):
                self._end_pass(self._length + length)
                return
            length = time.monotonic() - started
        self._length += length
        IOLoop.current().add_callback(self._go_on)

    def _begin_round(self, length: float) -> bool:
        """In a short pass, give again: who was written all that it was given may have more, such as a history."""
        if length > SLICE:
            return False
        pieces = self._hub.drain()
        self._pieces = iter(pieces)
        return bool(pieces)

    def _end_pass(self, length: float) -> None:
        self._next_pass = IOLoop.current().time() + window_after(length)
        self._watch()

    def _give(self, reader: int, chunk: bytes, is_last: bool) -> None:
        """Write a piece; whatever is wrong with one connection, the others get theirs."""
        try:
            self._write(reader, chunk, is_last)
        except Exception:  # noqa: BLE001 - see above
            app_log.exception("jupyter_sse: a portable reader is given up")
            if (stream := self._streams.get(reader)) is not None:
                stream.close()

    def _write(self, reader: int, chunk: bytes, is_last: bool) -> None:
        stream = self._streams.get(reader)
        if stream is None:
            return
        # Nothing is buffered before a piece, so the socket can be asked without Tornado, which costs twice as much.
        sent = send_now(stream, chunk) if chunk else 0
        if sent == len(chunk):
            if is_last:
                give_up(stream)
            else:
                self._hub.drained(reader)
            return
        try:
            written = stream.write(chunk[sent:])
        except StreamClosedError:
            return
        written.add_done_callback(partial(self._on_written, reader))
        if stream.closed():
            # The write has found the connection broken.
            return
        self._unfinished[reader] = progress(stream)
        self._look_later()

    def _on_written(self, reader: int, written: Future[None]) -> None:
        self._unfinished.pop(reader, None)
        self._has_written.set()
        if written.exception() is None and reader in self._streams:
            self._hub.drained(reader)

    def _look_later(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            interval = min(LOOK_INTERVAL, (self._stall_timeout or math.inf) / 4)
            IOLoop.current().call_later(interval, self._look)

    def _look(self) -> None:
        """Tell the hub who has taken something of a large piece: Tornado says only when all of it is taken."""
        self._is_looking = False
        if self._is_closed:
            return
        for reader, before in self._unfinished.items():
            now = progress(self._streams[reader])
            if now[0] > before[0] or now[1] < before[1]:
                self._hub.took(reader)
            self._unfinished[reader] = now
        if self._unfinished:
            self._look_later()

    def _forget(self, reader: int) -> None:
        """The connection is closed, by whichever side."""
        self._unfinished.pop(reader, None)
        if self._streams.pop(reader, None) is not None:
            self._hub.detach(reader)

    def _discard_input(self, stream: IOStream) -> None:
        """Keep reading, for that is how Tornado learns that the other side is gone; what comes is dropped."""
        try:
            stream.read_bytes(INPUT_BYTES, partial=True).add_done_callback(partial(self._on_input, stream))
        except StreamClosedError:
            return

    def _on_input(self, stream: IOStream, received: Future[bytes]) -> None:
        if received.exception() is None:
            self._discard_input(stream)


def window_after(length: float) -> float:
    """Return how long to wait after a pass that took ``length``, in seconds.

    Events that come meanwhile share their readers' writes. After a long pass twice its length, so that a third
    of the time goes into passes at most; after a short one much less than the usual time, as there is little to
    save with few readers.
    """
    return max(2 * length, min(USUAL_WINDOW, 8 * length))
