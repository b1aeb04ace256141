"""A wire between browser and server that can be cut."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from running_server import free_port

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Wire:
    """Passes on what browser and server send each other, from a thread of its own. Use as a context manager.

    Attributes:
        url: The server's address at this end of the wire.
    """

    def __init__(self, server_port: int, base_url: str, scheme: str = "http") -> None:
        self._server_port = server_port
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._transports: set[asyncio.WriteTransport] = set()
        self._door: asyncio.Server | None = None
        self.url = f"{scheme}://127.0.0.1:{self._port}{base_url}"

    def __enter__(self) -> Wire:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mend(self) -> None:
        """Let connections be made."""
        self._do(self._open())

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._do(self._close())

    def _do(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        self._door = await asyncio.start_server(self._connect, "127.0.0.1", self._port)

    async def _close(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        for transport in self._transports:
            transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        ends = {writer.transport, far_writer.transport}
        self._transports |= ends
        try:
            await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
        finally:
            self._transports -= ends
            for transport in ends:
                transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()
