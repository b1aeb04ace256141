"""What a reader has not taken yet, and the system or Tornado holds for it."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado.iostream import IOStream

UNSENT_BYTES = 128 << 10
"""How much the system may hold unsent for a reader, as for the hub's own: without a bound, megabytes."""

UNSENT_OPTION: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)


def bound_unsent(stream: IOStream) -> None:
    """Bound what the system holds for a reader that takes nothing, where it can."""
    if UNSENT_OPTION is not None and stream.socket.family != getattr(socket, "AF_UNIX", None):
        with contextlib.suppress(OSError):
            stream.socket.setsockopt(socket.IPPROTO_TCP, UNSENT_OPTION, UNSENT_BYTES)


def bound_silence(stream: IOStream, seconds: float | None) -> None:
    """Let the system break a connection whose other end has vanished without a word, where it can.

    Else keep-alives go into nowhere for a quarter of an hour.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if seconds and option is not None and stream.socket.family != getattr(socket, "AF_UNIX", None):
        with contextlib.suppress(OSError):
            stream.socket.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1_000))


def progress(stream: IOStream) -> tuple[int, int]:
    """Return how many bytes the system has taken of all that was written, and how many it holds for the reader."""
    return stream._total_write_done_index, queued_bytes(stream)


def queued_bytes(stream: IOStream) -> int:
    """Return how many bytes the system holds for the reader; 0 where it does not say, or the stream is closed."""
    if stream.closed():
        return 0
    try:
        import fcntl
        import termios

        return int.from_bytes(fcntl.ioctl(stream.socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (ImportError, OSError):
        return 0


def give_up(stream: IOStream) -> None:
    """Close a connection; what its reader has not taken by now is dropped, and not kept by the system either."""
    if stream.writing():
        with contextlib.suppress(OSError):
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def send_now(stream: IOStream, chunk: bytes) -> int:
    """Write to the socket of a stream that holds nothing unsent; return how many bytes it took.

    Where the connection is broken that is none: the stream itself finds out, and closes.
    """
    if stream.closed() or stream.writing():
        return 0
    try:
        return stream.socket.send(chunk)
    except OSError:
        return 0


def say_and_close(stream: IOStream, last: bytes) -> None:
    """Close a connection, after ``last`` where all that was written before is out: else it would stand within it."""
    send_now(stream, last)
    stream.close()
