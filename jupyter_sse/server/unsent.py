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


def progress(stream: IOStream) -> tuple[int, int]:
    """Return how many bytes the system has taken of all that was written, and how many it holds for the reader."""
    return stream._total_write_done_index, queued_bytes(stream)


def queued_bytes(stream: IOStream) -> int:
    """Return how many bytes the system holds for the reader; 0 where it does not say."""
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
