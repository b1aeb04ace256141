"""The bytes of one connection to an event stream: over the link's socket for a name, over HTTP for an address.

Each in two forms, for threads and for event loops; all raise the same three errors.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import struct
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_sse.error import SSEError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

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
    """
    query = {
        "streams": [f"{name}@{start}" if start else name],
        "last_event_id": last_event_id,
        "control": control,
        "wait": wait,
        "times": "exact" if exact else None,
        "passing": passing,
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


@contextmanager
def read_http(url: str, headers: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
    """Ask a server for a stream; the value iterates over what comes."""
    import httpx

    url, unix_socket = split_address(url)
    transport = None if unix_socket is None else httpx.HTTPTransport(uds=unix_socket)
    try:
        with (
            httpx.Client(timeout=_timeout(), follow_redirects=False, transport=transport) as client,
            client.stream("GET", url, headers=_encoded(headers)) as response,
        ):
            body = bytearray()
            if response.status_code != 200:
                for chunk in response.iter_raw(CHUNK_BYTES):
                    body += chunk
                    if len(body) > _LONGEST_REFUSAL:
                        break
            _check_response(response, body)
            yield response.iter_bytes()
    except httpx.TransportError as error:
        raise DisconnectedError(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def read_http_async(url: str, headers: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Do what ``read_http`` does, for event loops."""
    import httpx

    url, unix_socket = split_address(url)
    transport = None if unix_socket is None else httpx.AsyncHTTPTransport(uds=unix_socket)
    try:
        async with (
            httpx.AsyncClient(timeout=_timeout(), follow_redirects=False, transport=transport) as client,
            client.stream("GET", url, headers=_encoded(headers)) as response,
        ):
            body = bytearray()
            if response.status_code != 200:
                async for chunk in response.aiter_raw(CHUNK_BYTES):
                    body += chunk
                    if len(body) > _LONGEST_REFUSAL:
                        break
            _check_response(response, body)
            yield response.aiter_bytes()
    except httpx.TransportError as error:
        raise DisconnectedError(f"{type(error).__name__}: {error}") from error


def _encoded(headers: Mapping[str, str]) -> httpx.Headers:
    """Return headers in UTF-8, as browsers send the last id: it may be any text, httpx expects ASCII."""
    import httpx

    return httpx.Headers(dict(headers), encoding="utf-8")


def _timeout() -> Any:
    import httpx

    return httpx.Timeout(CONNECT_TIMEOUT, read=SILENCE_TIMEOUT)


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
        is_number = retry_after is not None and retry_after.isascii() and retry_after.isdigit()
        raise RefusedError(status, message, float(retry_after) if is_number else 1.0)
    raise RefusedError(status, message)
