"""A reader that looks at the bytes: a socket, TLS where the server speaks it, and the rules of the wire to the letter.

It shares nothing with our decoder, so that both cannot be wrong in the same way, and it is stricter: fields stand in
one order, each at most once but for data and comments, and nothing is left over.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from running_server import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running_server import JupyterServer

ORDER = ("event", "id", "data", "retry", "")
"""The fields of a block, in the order in which they stand; the empty one is a comment."""

MIB = 1 << 20


@dataclass(frozen=True)
class Block:
    """What stands between two blank lines.

    Attributes:
        raw: As it came, without the blank line.
        event, id, data, comment: None where there is no such line.
        retry: In milliseconds.
    """

    raw: bytes
    event: str | None = None
    id: str | None = None
    data: str | None = None
    retry: int | None = None
    comment: str | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Block:
        """Take a block apart; fail where it is not exactly as the encoder may write it."""
        found: dict[str, list[str]] = {}
        places = []
        for line in raw.decode().split("\n"):
            field, colon, value = line.partition(": ")
            assert colon, f"{line!r} is no line with a field, in {raw!r}"
            assert field in ORDER, f"{field!r} is no field, in {raw!r}"
            found.setdefault(field, []).append(value)
            places.append(ORDER.index(field))
        assert places == sorted(places), f"fields out of order in {raw!r}"
        for field in ("event", "id", "retry"):
            assert len(found.get(field, [])) <= 1, f"{field} twice in {raw!r}"
        return cls(
            raw,
            event=found.get("event", [None])[0],
            id=found.get("id", [None])[0],
            data="\n".join(found["data"]) if "data" in found else None,
            retry=int(found["retry"][0]) if "retry" in found else None,
            comment="\n".join(found[""]) if "" in found else None,
        )

    @property
    def json(self) -> Any:
        """What the data says."""
        return json.loads(self.data)

    @property
    def is_control(self) -> bool:
        """The hub's own word."""
        return self.event is not None and self.event.startswith("sse.")

    @property
    def is_event(self) -> bool:
        """A producer's word, not the hub's."""
        return self.data is not None and not self.is_control


class PlainReader:
    """One connection to a stream. Use as a context manager.

    Attributes:
        status: Of the answer.
        headers: Of the answer, names in lower case.
        blocks: All that were taken so far.
    """

    def __init__(
        self,
        server: JupyterServer,
        address: str,
        last_event_id: str | bytes | None = None,
        receive_bytes: int | None = None,
    ) -> None:
        self._server = server
        self._address = address
        self._last_event_id = last_event_id
        self._receive_bytes = receive_bytes
        self._input = b""
        self.blocks: list[Block] = []

    def __enter__(self) -> PlainReader:
        self._socket = self._connect()
        self._socket.sendall(self._request())
        while b"\r\n\r\n" not in self._input:
            assert self._receive(), f"the connection ended in the head: {self._input!r}"
        head, _, self._input = self._input.partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        self.status = int(line.split(" ")[1])
        self.headers = {name.lower(): value for name, _, value in (header.partition(": ") for header in headers)}
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def _connect(self) -> socket.socket:
        plain = socket.socket()
        if self._receive_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        plain.settimeout(TIMEOUT)
        plain.connect(("127.0.0.1", self._server.port))
        if isinstance(self._server.verify, ssl.SSLContext):
            return self._server.verify.wrap_socket(plain, server_hostname="127.0.0.1")
        return plain

    def _request(self) -> bytes:
        lines = [
            f"GET {self._server.base_url}{self._address} HTTP/1.1".encode(),
            f"Host: 127.0.0.1:{self._server.port}".encode(),
            f"Authorization: token {self._server.token}".encode(),
        ]
        if self._last_event_id is not None:
            # As an EventSource sends it: UTF-8.
            sent = self._last_event_id
            lines.append(b"Last-Event-ID: " + (sent.encode() if isinstance(sent, str) else sent))
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _receive(self) -> bool:
        chunk = self._socket.recv(MIB)
        self._input += chunk
        return bool(chunk)

    def body(self) -> bytes:
        """Return all that is left until the other side closes."""
        while self._receive():
            pass
        rest, self._input = self._input, b""
        return rest

    def block(self) -> Block | None:
        """Return the next block; None: the other side has closed, between two blocks."""
        while b"\n\n" not in self._input:
            if not self._receive():
                assert not self._input, f"the connection ended in a block: {self._input!r}"
                return None
        raw, _, self._input = self._input.partition(b"\n\n")
        self.blocks.append(Block.parse(raw))
        return self.blocks[-1]

    def all_blocks(self) -> Iterator[Block]:
        """Yield blocks until the other side closes."""
        while (block := self.block()) is not None:
            yield block

    def until(self, event: str) -> list[Block]:
        """Return the blocks up to the first of this type, that one included."""
        taken = []
        for block in self.all_blocks():
            taken.append(block)
            if block.event == event:
                return taken
        raise AssertionError(f"the stream ended without {event}: {taken}")

    def control(self, event: str) -> Block:
        """Return the next block of this type; what comes before it is in ``blocks``."""
        return self.until(event)[-1]

    def events(self, count: int) -> list[Block]:
        """Return the next ``count`` events of producers."""
        found: list[Block] = []
        for block in self.all_blocks():
            if block.is_event:
                found.append(block)
            if len(found) == count:
                return found
        raise AssertionError(f"the stream ended after {len(found)} of {count} events: {self.blocks}")

    def values(self, count: int) -> list[Any]:
        """Return the JSON values of the next ``count`` events of producers."""
        return [block.json for block in self.events(count)]

    def controls(self, event: str) -> list[Block]:
        """Return the blocks of this type among those that were taken."""
        return [block for block in self.blocks if block.event == event]

    def next_within(self, seconds: float) -> Block | None:
        """Return the next block if it comes in time; None: silence."""
        deadline = time.monotonic() + seconds
        try:
            while b"\n\n" not in self._input:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                assert self._receive(), "the connection ended"
        except TimeoutError:
            return None
        finally:
            self._socket.settimeout(TIMEOUT)
        return self.block()
