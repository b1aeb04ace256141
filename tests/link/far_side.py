"""What stands at the other end of a link, and what is to be seen there."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_sse._rust import Decoder, Link, ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUBSCRIBE = 2
WELCOME = 65
PATIENCE = 20.0


def eventually(look: Callable[[], Any]) -> Any:
    """Return what `look` finds in the end. For a state that nobody announces."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)
    return found


def read(path: str, name: str, count: int) -> list[ServerSentEvent]:
    """Read the next events of a stream from the hub's socket, from its history on."""
    query = json.dumps({"streams": [name], "control": False}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(struct.pack("<IBI", 5 + len(query), SUBSCRIBE, len(query)) + query)
        file = connection.makefile("rb")
        file.read(struct.unpack("<I", file.read(4))[0])
        decoder, events = Decoder(), []
        while len(events) < count:
            events += decoder.feed(file.read1())
    return events


def command(link: Link, kind: str) -> tuple[Any, ...]:
    """Return the next command of a kind."""
    while True:
        found = link.next_command(PATIENCE)
        assert found is not None, f"no command {kind!r} came"
        if found[0] == kind:
            return found


@contextmanager
def silent_server(path: str) -> Iterator[None]:
    """Welcome the first link, and then read nothing that it says."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        connections = []

        def welcome() -> None:
            connection = listener.accept()[0]
            connections.append(connection)
            payload = struct.pack("<BHIBQI", WELCOME, 1, 0, 0, 0, 0)
            connection.sendall(struct.pack("<I", len(payload)) + payload)

        thread = threading.Thread(target=welcome)
        thread.start()
        yield
        thread.join()
        for connection in connections:
            connection.close()


def is_full(link: Link, bound: int) -> bool:
    return link.stats()["unconfirmed_bytes"] > 0.9 * bound
