"""The portable path by itself: a real hub, real sockets, and no server around them."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from typing import TYPE_CHECKING

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from jupyter_sse._rust import Hub
from jupyter_sse.server.portable import PortableSockets

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT = "x" * 100_000


def connections(count: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of ``count`` TCP connections within this process, the server's first."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for _ in range(count):
            far = socket.create_connection(listening.getsockname())
            yield listening.accept()[0], far


def reset(far: socket.socket) -> None:
    """Close as a process does that is killed."""
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()


async def read_among_the_broken() -> bytes:
    """Return what the last of many readers gets when the others are gone at the moment of writing."""
    hub = Hub(link_path=None)
    publication = hub.publication("a", "text/event-stream")
    publication.feed(f"data: {EVENT}\n\n".encode())
    publication.finish()
    portable = PortableSockets(hub, 2_000)
    ends = list(connections(20))
    for near, _ in ends:
        near.setblocking(False)
        portable.add(hub.subscribe(["a"], single=True), IOStream(near), b"head")
    *broken, (_, healthy) = ends
    # Everything is ready to be written before the loop can see that they are gone.
    while not select.select([hub.portable_fileno()], [], [], 10)[0]:
        pass
    for _, far in broken:
        reset(far)
    # At once: in the loop's next turn it would know who is gone.
    IOLoop.current().remove_handler(hub.portable_fileno())
    portable._begin_pass()
    healthy.setblocking(False)
    received = b""
    async with asyncio.timeout(10):
        while b"\n\n" not in received[-2:] or EVENT.encode() not in received:
            received += await asyncio.get_running_loop().sock_recv(healthy, 65_536)
    await portable.close()
    hub.close()
    healthy.close()
    return received


def test_reader_whose_connection_breaks_while_it_is_written_to_holds_up_no_other():
    for _ in range(5):
        assert asyncio.run(read_among_the_broken()).startswith(b"head")
