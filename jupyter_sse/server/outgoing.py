"""The bytes on their way to one reader, over a connection that was taken from Tornado's HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from jupyter_sse.server.unsent import bound_silence, bound_unsent, give_up, progress

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from tornado.iostream import IOStream

PING = b": ping\n\n"

HELD_BYTES = 16 << 10
"""How much is held back to be written at once, while the producer does not wait for anything."""

LOOK_INTERVAL = 1.0
"""Seconds after which it is looked whether a slow reader has taken some, at the most."""

INPUT_BYTES = 4_096
"""How much of what a reader sends is dropped at a time."""


class Outgoing:
    """What one reader gets: written at once when the producer waits, in larger pieces while it does not.

    Args:
        stream: Of the connection, detached.
        ping_interval: Seconds of silence after which a keep-alive is written; None: never.
        stall_timeout: Seconds for which the reader may take nothing of what waits for it; None: for ever.
        on_close: Called when the connection is closed, by whichever side.

    Threads: everything runs on Tornado's loop.
    """

    def __init__(
        self,
        stream: IOStream,
        *,
        ping_interval: float | None,
        stall_timeout: float | None,
        on_close: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._ping_interval = ping_interval
        self._stall_timeout = stall_timeout
        self._loop = asyncio.get_running_loop()
        self._pending = bytearray()
        self._writing: Future[None] | None = None
        self._is_scheduled = False
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._timer: asyncio.TimerHandle | None = None
        self._moved_at = self._loop.time()
        self._progress = (0, 0)
        self._on_close = on_close
        stream.set_nodelay(True)
        bound_unsent(stream)
        bound_silence(stream, stall_timeout)
        stream.set_close_callback(self._closed)
        self._discard_input()
        self._look_later()

    @property
    def is_closed(self) -> bool:
        """Whether the connection is."""
        return self._stream.closed()

    def put(self, block: bytes) -> None:
        """Take bytes; they are written when the loop has its turn, or at once where much is held."""
        self._pending += block
        if len(self._pending) >= HELD_BYTES:
            self._flush()
        elif not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    async def room(self) -> None:
        """Wait while the reader has not taken what was written, and more than a piece is held for it.

        A reader that is gone takes everything.
        """
        while len(self._pending) >= HELD_BYTES and not self.is_closed:
            self._has_room.clear()
            await self._has_room.wait()

    async def drained(self) -> None:
        """Wait until the system has taken everything, or the reader is gone."""
        self._flush()
        while (self._pending or self._writing is not None) and not self.is_closed:
            self._has_room.clear()
            await self._has_room.wait()

    def close(self) -> None:
        """Close the connection; what the reader has not taken is dropped."""
        give_up(self._stream)

    def _flush(self) -> None:
        self._is_scheduled = False
        if self._writing is not None or not self._pending or self.is_closed:
            return
        chunk, self._pending = bytes(self._pending), bytearray()
        self._moved_at = self._loop.time()
        try:
            self._writing = self._stream.write(chunk)
        except StreamClosedError:
            return
        self._progress = progress(self._stream)
        if self._writing.done():
            self._written(self._writing)
            return
        self._writing.add_done_callback(self._written)
        self._look_later()

    def _written(self, written: Future[None]) -> None:
        self._writing = None
        self._has_room.set()
        # Whoever broke the connection, on_close has told of it.
        if written.exception() is None:
            self._moved_at = self._loop.time()
            self._flush()
            if self._timer is None:
                self._look_later()

    def _look_later(self) -> None:
        """Look again when something may be due: a keep-alive, or the end of the patience with a slow reader."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.is_closed:
            return
        if self._writing is None:
            if self._ping_interval is not None:
                self._timer = self._loop.call_at(self._moved_at + self._ping_interval, self._look)
        elif self._stall_timeout is not None:
            self._timer = self._loop.call_later(min(LOOK_INTERVAL, self._stall_timeout / 4), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._writing is None:
            if now - self._moved_at >= self._ping_interval:
                self._pending += PING
                self._flush()
        else:
            before, self._progress = self._progress, progress(self._stream)
            if self._progress[0] > before[0] or self._progress[1] < before[1]:
                self._moved_at = now
            elif now - self._moved_at >= self._stall_timeout:
                give_up(self._stream)
        self._look_later()

    def _closed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending.clear()
        self._has_room.set()
        self._on_close()

    def _discard_input(self) -> None:
        """Keep reading, for that is how Tornado learns that the other side is gone; what comes is dropped."""
        with contextlib.suppress(StreamClosedError):
            self._stream.read_bytes(INPUT_BYTES, partial=True).add_done_callback(self._on_input)

    def _on_input(self, received: Future[bytes]) -> None:
        if received.exception() is None:
            self._discard_input()
