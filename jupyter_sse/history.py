"""What the hub holds of a stream, read in one go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_sse._rust import Decoder
from jupyter_sse.error import UnknownStreamError
from jupyter_sse.transport import RefusedError, read_socket, subscribe_frame

if TYPE_CHECKING:
    from jupyter_sse.client import Client


@dataclass(frozen=True)
class HistoryEvent:
    """An event that the hub holds.

    Attributes:
        event: its type.
        text: its data.
        at: when the hub got it, in milliseconds since 1970; None where the hub does not tell.
    """

    event: str
    text: str
    at: int | None

    def value(self) -> Any:
        """Return the data: what its JSON says, else the text; also where it is nested deeper than Python can go."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return self.text


def read_history(client: Client, name: str, *, last: int | None = None) -> list[HistoryEvent]:
    """Read what the hub holds of a stream's current run.

    Args:
        client: of this process.
        name: the stream.
        last: so many of the newest events; None: all.

    Raises:
        UnknownStreamError: there is no such stream.
        LinkError: the hub cannot be reached.
    """
    start = "earliest" if last is None else f"-{last}"
    frame = subscribe_frame(name, None, start=start, control=True, wait=False, exact=True, passing=True)
    decoder = Decoder()
    found: list[HistoryEvent] = []
    at: int | None = None
    try:
        with read_socket(client.link_path, frame) as chunks:
            for chunk in chunks:
                for event in decoder.feed(chunk):
                    if event.event in ("sse.ready", "sse.end"):
                        return found
                    if event.event == "sse.time":
                        at = json.loads(event.data)["at"]
                    elif event.event == "sse.run":
                        # A new run began while we read: what it replaced is no longer held.
                        found.clear()
                    elif not event.event.startswith("sse."):
                        found.append(HistoryEvent(event.event, event.data, at))
    except RefusedError as error:
        if error.status == 404:
            raise UnknownStreamError(error.message) from None
        raise
    return found
