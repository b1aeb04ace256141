"""The bytes of one connection to an event stream: over the link's socket for a name, over HTTP for an address.

Each in two forms, for threads and for event loops; all raise the same three errors, and ``LinkError`` for what no
further attempt will mend.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import struct
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from jupyter_sse.error import LinkError, SSEError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    import httpx

CHUNK_BYTES = 1 << 16
CONNECT_TIMEOUT = 10.0
SILENCE_TIMEOUT = 60.0
"""Seconds without a byte after which an HTTP connection is taken for dead; servers send a comment more often."""

_SUBSCRIBE = 2
# A thread that waits for bytes notices so often, in seconds, that its run is being stopped.
_NOTICE_INTERVAL = 0.5
_LONGEST_ANSWER = 1 << 20
# Of a server's refusal, which may be a page of any size, so much is read for its message.
_LONGEST_REFUSAL = 1 << 16
_LONGEST_MESSAGE = 500
_MOST_REDIRECTIONS = 5

_UNIX_SCHEME = "http+unix://"
HTTP_SCHEMES = ("http://", "https://", _UNIX_SCHEME)


class DisconnectedError(SSEError):
    """The connection could not be made, or broke: try again."""


class StreamOverError(SSEError):
    """The reader has had everything: HTTP's 204."""


@dataclass(eq=False)
class RefusedError(SSEError):
    """The other side said no.

    Attributes:
        status: as in HTTP.
        retry_after: seconds after which to try again; None: trying again will not help.
    """

    status: int
    message: str
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.message} (status {self.status})"


def subscribe_frame(
    name: str,
    last_event_id: str | None,
    *,
    start: str = "",
    control: bool,
    wait: bool,
    exact: bool = False,
    passing: bool = False,
    conflate: float | None = None,
) -> bytes:
    """Encode the first frame of a connection that reads a stream from the hub.

    Args:
        name: the stream.
        last_event_id: where the reader was.
        start: where it begins else.
        control: it hears of runs, states and times.
        wait: for a stream that there is not yet.
        exact: it hears the time of every event, not of one in each sixtieth of a second.
        passing: it reads what there is and goes: others are not told of it as of a reader.
        conflate: one event of each type is enough for it in this time, the last, in seconds.
    """
    query = {
        "streams": [f"{name}@{start}" if start else name],
        "last_event_id": last_event_id,
        "control": control,
        "wait": wait,
        "times": "exact" if exact else None,
        "passing": passing,
        "conflate": conflate,
    }
    body = json.dumps(query).encode()
    return struct.pack("<IBI", 5 + len(body), _SUBSCRIBE, len(body)) + body


@contextmanager
def read_socket(path: str, frame: bytes) -> Iterator[Iterator[bytes]]:
    """Connect to the hub's socket and ask for a stream; the value iterates over what comes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_TIMEOUT)
        try:
            connection.connect(path)
            connection.sendall(frame)
            _check_answer(_receive_exactly(connection, _answer_bytes(_receive_exactly(connection, 4))))
        except OSError as error:
            raise DisconnectedError(f"no hub answers at {path}: {error}") from error
        yield _socket_chunks(connection)


def _socket_chunks(connection: socket.socket) -> Iterator[bytes]:
    connection.settimeout(None)
    while True:
        if not select.select([connection], [], [], _NOTICE_INTERVAL)[0]:
            continue
        try:
            chunk = connection.recv(CHUNK_BYTES)
        except OSError as error:
            raise DisconnectedError(str(error)) from error
        if not chunk:
            return
        yield chunk


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ConnectionResetError("closed before it answered")
        received += chunk
    return bytes(received)


@asynccontextmanager
async def read_socket_async(path: str, frame: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
    """Do what ``read_socket`` does, for event loops."""
    writer = None
    try:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(frame)
                _check_answer(await reader.readexactly(_answer_bytes(await reader.readexactly(4))))
        except (OSError, EOFError) as error:
            raise DisconnectedError(f"no hub answers at {path}: {error}") from error
        yield _reader_chunks(reader)
    finally:
        if writer is not None:
            writer.close()


async def _reader_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            chunk = await reader.read(CHUNK_BYTES)
        except OSError as error:
            raise DisconnectedError(str(error)) from error
        if not chunk:
            return
        yield chunk


def _answer_bytes(header: bytes) -> int:
    (count,) = struct.unpack("<I", header)
    if count > _LONGEST_ANSWER:
        raise ConnectionError(f"expected an answer of at most {_LONGEST_ANSWER} bytes, got {count}")
    return count


def _check_answer(payload: bytes) -> None:
    _kind, _request, status = struct.unpack_from("<BIH", payload)
    if status != 200:
        # After the fixed fields comes the length of the body.
        body = json.loads(payload[11:] or b"{}")
        _check_status(status, body.get("message", ""), None)


def split_address(url: str) -> tuple[str, str | None]:
    """Split an address that names a Unix socket, as Jupyter writes it, into one for HTTP and the socket's path.

    Returns:
        The address as it is, and None, where it names none.
    """
    if not url.startswith(_UNIX_SCHEME):
        return url, None
    path, slash, rest = url.removeprefix(_UNIX_SCHEME).partition("/")
    return f"http://localhost{slash}{rest}", path.replace("%2F", "/")


@dataclass(frozen=True)
class StreamRequest:
    """What one connection over HTTP asks for, and how.

    Attributes:
        url: of the stream.
        headers: of the request, which every server may see.
        given: more headers, for the server of ``url`` alone.
        ssl_context: whom to trust; None: whom httpx trusts.
        silence_timeout: seconds without a byte after which the connection is taken for dead; None: never.
    """

    url: str
    headers: Mapping[str, str]
    given: Mapping[str, str]
    ssl_context: ssl.SSLContext | None = None
    silence_timeout: float | None = SILENCE_TIMEOUT

    def address(self) -> httpx.URL:
        """Return the address as HTTP knows it.

        Raises:
            LinkError: it is none.
        """
        import httpx

        try:
            return httpx.URL(split_address(self.url)[0])
        except httpx.InvalidURL as error:
            raise LinkError(f"expected the address of an event stream, got {self.url!r:.200}: {error}") from None

    def all_headers(self) -> httpx.Headers:
        """Return the headers in UTF-8, as browsers send the last id: it may be any text, httpx expects ASCII."""
        import httpx

        # Compressed, a stream would be held back on its way.
        usual = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}
        return httpx.Headers({**usual, **self.headers, **self.given}, encoding="utf-8")

    def options(self) -> dict[str, Any]:
        """Return how httpx is to connect."""
        import httpx

        return {
            "timeout": httpx.Timeout(CONNECT_TIMEOUT, read=self.silence_timeout),
            "follow_redirects": True,
            "max_redirects": _MOST_REDIRECTIONS,
        }

    def verify(self) -> Any:
        """Return whom to trust, as httpx has it."""
        return True if self.ssl_context is None else self.ssl_context

    def hide_given(self, request: httpx.Request) -> None:
        """Keep what was given for one server from another to which it sends us."""
        if _origin(request.url) != _origin(self.address()):
            for name in self.given:
                request.headers.pop(name, None)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


@contextmanager
def read_http(asked: StreamRequest) -> Iterator[Iterator[bytes]]:
    """Ask a server for a stream; the value iterates over what comes."""
    import httpx

    url, unix_socket = asked.address(), split_address(asked.url)[1]
    transport = None if unix_socket is None else httpx.HTTPTransport(uds=unix_socket)
    try:
        with (
            httpx.Client(
                **asked.options(),
                verify=asked.verify(),
                transport=transport,
                event_hooks={"request": [asked.hide_given]},
            ) as client,
            client.stream("GET", url, headers=asked.all_headers()) as response,
        ):
            body = bytearray()
            if response.status_code != 200:
                for chunk in response.iter_raw(CHUNK_BYTES):
                    body += chunk
                    if len(body) > _LONGEST_REFUSAL:
                        break
            _check_response(response, body)
            yield response.iter_bytes()
    except httpx.TooManyRedirects as error:
        raise LinkError(f"The stream cannot be read: {error}") from None
    except httpx.RequestError as error:
        raise DisconnectedError(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def read_http_async(asked: StreamRequest) -> AsyncIterator[AsyncIterator[bytes]]:
    """Do what ``read_http`` does, for event loops."""
    import httpx

    url, unix_socket = asked.address(), split_address(asked.url)[1]
    transport = None if unix_socket is None else httpx.AsyncHTTPTransport(uds=unix_socket)

    async def hide_given(request: httpx.Request) -> None:
        asked.hide_given(request)

    try:
        async with (
            httpx.AsyncClient(
                **asked.options(),
                verify=asked.verify(),
                transport=transport,
                event_hooks={"request": [hide_given]},
            ) as client,
            client.stream("GET", url, headers=asked.all_headers()) as response,
        ):
            body = bytearray()
            if response.status_code != 200:
                async for chunk in response.aiter_raw(CHUNK_BYTES):
                    body += chunk
                    if len(body) > _LONGEST_REFUSAL:
                        break
            _check_response(response, body)
            yield response.aiter_bytes()
    except httpx.TooManyRedirects as error:
        raise LinkError(f"The stream cannot be read: {error}") from None
    except httpx.RequestError as error:
        raise DisconnectedError(f"{type(error).__name__}: {error}") from error


class ChunkTask:
    """A task that reads a connection, chunk by chunk as they are asked for, and closes it when it is cancelled.

    Who breaks off an ``async for`` cannot wait for anything any more; nor can the loop, where it ends then. So the
    connection is closed by a task of its own, in which it was made too, as httpx wants it.
    """

    def __init__(self, connection: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._is_connected = False
        self._has_news = asyncio.Event()
        self._task = asyncio.create_task(self._read(connection))
        self._task.add_done_callback(self._ended)

    async def connected(self) -> None:
        """Wait until the stream begins.

        Raises:
            SSEError: it does not.
        """
        while not self._is_connected and not self._task.done():
            await self._news()
        if not self._is_connected:
            self._task.result()

    async def next(self) -> bytes | None:
        """Return what has come; None: the connection has ended.

        Raises:
            SSEError: it broke.
        """
        while self._chunks.empty() and not self._task.done():
            await self._news()
        if not self._chunks.empty():
            # What had been read comes before the error that ended the reading.
            return self._chunks.get_nowait()
        self._task.result()
        return None

    def cancel(self) -> None:
        """Close the connection. Does not wait."""
        self._task.cancel()

    async def _read(self, connection: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> None:
        async with connection as chunks:
            self._is_connected = True
            self._has_news.set()
            async for chunk in chunks:
                await self._chunks.put(chunk)
                self._has_news.set()

    async def _news(self) -> None:
        self._has_news.clear()
        await self._has_news.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._has_news.set()
        if not task.cancelled():
            # An error that nobody waits for any more is taken notice of.
            task.exception()


def _check_response(response: httpx.Response, body: bytes) -> None:
    """Raise what a response other than a stream means; ``body`` is its beginning, as it came."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status_code == 200 and kind != "text/event-stream":
        raise RefusedError(200, f"expected the media type text/event-stream, got {kind or 'none'!r}")
    if response.status_code == 200:
        return
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        message = response.reason_phrase
    _check_status(response.status_code, str(message)[:_LONGEST_MESSAGE], response.headers.get("Retry-After"))


def _check_status(status: int, message: str, retry_after: str | None) -> None:
    if status == 200:
        return
    if status == 204:
        raise StreamOverError
    if status in (429, 502, 503, 504):
        raise RefusedError(status, message, _seconds(retry_after))
    raise RefusedError(status, message)


def _seconds(retry_after: str | None) -> float:
    """Return what the header Retry-After says, be it seconds or a date; without it, a second."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(1.0, parsedate_to_datetime(text).timestamp() - time.time())
    return 1.0
