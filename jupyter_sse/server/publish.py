"""The events in the body of a POST."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from jupyter_sse._rust import Decoder
from jupyter_sse.encoding import parts
from jupyter_sse.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_sse._rust import ServerSentEvent

Event = tuple[str | bytes | None, str | None, str | None, int | None, str | None]
"""``data`` (bytes are JSON), ``event``, ``id``, ``retry``, ``comment``."""

MAX_EVENTS = 10_000
"""The most events of one body. Jupyter's loop does nothing else while they are read: 10,000 take about 0.1 s."""

SLICE_BYTES = 1 << 16
"""How much of an event stream is decoded before its events are counted."""


def read_events(content_type: str, body: bytes) -> list[Event]:
    """Return the events in ``body``, read as ``content_type`` says.

    Raises:
        Refusal: 415 for another type, 413 for too many events, 400 for a body that is not what its type says.
        EncodeError: An event that no stream takes.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    read = READERS.get(media_type)
    if read is None:
        message = f"expected a Content-Type of {', '.join(READERS)}, got {media_type[:80]!r}"
        raise Refusal(415, f"{message}; with curl: -H 'Content-Type: application/json'", "content-type")
    return read(body)


def read_json(body: bytes) -> list[Event]:
    """Return the event of one JSON value, read as a yielded one."""
    return [parts(load(body, "the body"))]


def read_json_lines(body: bytes) -> list[Event]:
    """Return an event for each line that is not blank; blank ones count in the bound."""
    if body.count(b"\n") > MAX_EVENTS:
        raise too_many("lines")
    lines = enumerate(body.split(b"\n"), start=1)
    return [parts(load(line, f"line {number}")) for number, line in lines if line.strip()]


def read_event_stream(body: bytes) -> list[Event]:
    """Return the events of a whole event stream; its end ends the last event too."""
    try:
        body.decode()
    except UnicodeDecodeError as cause:
        raise Refusal(400, f"expected UTF-8 in the body, got {cause}", "body") from None
    events: list[Event] = []
    last_id = ""
    for event in decoded(body):
        # A decoder says the last id again for every event; only where it changes did the event have one.
        own_id = event.id if event.id != last_id else None
        last_id = event.id or ""
        kind = None if event.event == "message" else event.event
        events.append((event.data, kind, own_id or None, None, None))
        if len(events) > MAX_EVENTS:
            raise too_many("events")
    return events


def decoded(body: bytes) -> Iterator[ServerSentEvent]:
    """Yield the events of ``body``, never more than those of a slice decoded in advance."""
    decoder = Decoder()
    for start in range(0, len(body), SLICE_BYTES):
        yield from decoder.feed(body[start : start + SLICE_BYTES])
    yield from decoder.feed(b"\n\n")


def too_many(what: str) -> Refusal:
    """Return the answer to a body of more than ``MAX_EVENTS``."""
    return Refusal(413, f"expected at most {MAX_EVENTS:,} {what} in one body, got more; send several", "too-large")


def load(text: bytes, place: str) -> object:
    """Return the JSON value in ``text``.

    Raises:
        Refusal: 400, naming ``place``.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as cause:
        raise Refusal(400, f"expected one JSON value in {place}, got {text[:40]!r}: {cause}", "json") from None


READERS: dict[str, Callable[[bytes], list[Event]]] = {
    "application/json": read_json,
    "application/x-ndjson": read_json_lines,
    "text/event-stream": read_event_stream,
}
