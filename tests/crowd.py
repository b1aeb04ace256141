"""Thousands of readers in one process: raw sockets on one event loop, a few hundred bytes each."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from running_server import JupyterServer

AT_ONCE = 100
"""How many connections are opened at the same time: no more than wait to be accepted at the server."""

PORTS = 20_000
"""How many connections one source address is used for: it has fewer than 30,000 ports."""

TIMEOUT = 300.0
"""Seconds in which all of a crowd must have come, or left."""


class Visitor(asyncio.Protocol):
    """One reader.

    Attributes:
        received: The last bytes that came.
        left_at: When the server closed the connection, by ``time.monotonic()``.
    """

    def __init__(self, request: bytes, awaited: bytes) -> None:
        self._request = request
        self._awaited = awaited
        self.transport: asyncio.Transport
        self.received = b""
        self.left_at = 0.0
        self.has_arrived = asyncio.get_running_loop().create_future()
        self.has_left = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Ask for the stream."""
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Keep the end of what came."""
        self.received = (self.received + data)[-1_000:]
        if not self.has_arrived.done() and self._awaited in self.received:
            self.has_arrived.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Note when."""
        self.left_at = time.monotonic()
        for future in (self.has_arrived, self.has_left):
            if not future.done():
                future.set_result(None)

    def leave(self, at_once: bool) -> None:
        """Close the connection; ``at_once`` as a process does that is killed: with a reset."""
        if at_once and (connected := self.transport.get_extra_info("socket")) is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Crowd:
    """Many readers of one stream."""

    def __init__(self, server: JupyterServer, name: str, awaited: bytes = b"data: ") -> None:
        self._server = server
        lines = [f"GET {server.base_url}sse/{name} HTTP/1.1", "Host: 127.0.0.1"]
        lines.append(f"Authorization: token {server.token}")
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._awaited = awaited
        self.visitors: list[Visitor] = []
        self._opened = 0

    async def come(self, count: int) -> None:
        """Open ``count`` connections and wait until each has its first event."""
        raise_own_limit(count)
        free = asyncio.Semaphore(AT_ONCE)
        openings = [asyncio.create_task(self._open(free)) for _ in range(count)]
        _, late = await asyncio.wait(openings, timeout=TIMEOUT)
        asked = sum(1 for visitor in self.visitors if visitor.received)
        assert not late, f"{len(late)} of {count} had no event after {TIMEOUT} s; {asked} had some answer"
        await asyncio.gather(*openings)
        missing = [visitor for visitor in self.visitors if self._awaited not in visitor.received]
        assert not missing, f"{len(missing)} of {count} got no event: {missing[0].received!r}"

    async def _open(self, free: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        verify = self._server.verify
        async with free:
            self._opened += 1
            _, visitor = await loop.create_connection(
                lambda: Visitor(self._request, self._awaited),
                "127.0.0.1",
                self._server.port,
                ssl=verify if isinstance(verify, ssl.SSLContext) else None,
                local_addr=(f"127.0.0.{2 + self._opened // PORTS}", 0),
            )
            self.visitors.append(visitor)
            await visitor.has_arrived

    async def leave(self) -> None:
        """Close all connections, every second one at once."""
        for number, visitor in enumerate(self.visitors):
            visitor.leave(at_once=number % 2 == 0)
        await self.wait_for_the_end()
        self.visitors.clear()

    async def wait_for_the_end(self) -> None:
        """Wait until all connections are closed, by whomever."""
        await asyncio.wait_for(asyncio.gather(*(visitor.has_left for visitor in self.visitors)), TIMEOUT)


def raise_own_limit(count: int) -> None:
    """Let this process open ``count`` files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 1_000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 1_000), hard))
