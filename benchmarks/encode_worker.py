"""`python encode_worker.py NAME FOLDER`: one encoder, in the environment that has it. Prints what it costs and gives.

`floor.c` was compiled into the folder. Imports nothing of ours but for ours: it runs in the peers' environment too.
"""

from __future__ import annotations

import json
import math
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOAD = {"step": 1234, "loss": 0.12345, "accuracy": 0.98765, "rate": 0.001, "phase": "train"}
LINES = "\n".join("x" * 79 for _ in range(128))
FLOATS = [math.sin(number) for number in range(1_000)]

DICT = "dict, 5 keys"
COSTS: dict[str, dict[str, Any]] = {
    "text, 40 characters": {"data": "x" * 40},
    DICT: {"data": PAYLOAD},
    "event + id + retry + dict": {"data": PAYLOAD, "event": "metrics", "id": "17", "retry": 2000},
    "text, 10 KiB in 128 lines": {"data": LINES},
    "1,000 floats": {"data": FLOATS},
}
TRAPS: dict[str, dict[str, Any]] = {
    "newlines": {"data": "a\nb\r\nc\rd"},
    "inject by event": {"data": "x", "event": "a\ndata: evil\n\ndata: evil"},
    "inject by id": {"data": "x", "id": "1\n\ndata: evil"},
    "NUL in id": {"data": "x", "id": "a\0b"},
    "NaN": {"data": {"loss": math.nan}},
    "key named id": {"data": {"id": 7, "loss": 0.5}},
}

RUNS, RUN_SECONDS = 60, 0.002
"""Short enough that some are not interrupted, even where other programs want the processor."""

ALONE, OURS = "orjson alone", "jupyter_sse"

Encoder = "Callable[[dict[str, Any]], Callable[[], bytes]]"
"""Takes an event's fields, and gives the call that encodes them."""


def orjson_alone() -> Encoder:
    """JSON and nothing of an event: what an encoder is measured by."""
    from orjson import dumps

    return lambda fields: partial(dumps, fields["data"])


def ours() -> Encoder:
    """What yield and Stream.send do with a value, framing included."""
    from jupyter_sse import encode

    return lambda fields: partial(encode, fields if len(fields) > 1 else fields["data"])


def sse_starlette() -> Encoder:
    """Its event classes: the one for text, the one for JSON."""
    from sse_starlette.event import JSONServerSentEvent, ServerSentEvent

    def encoder(fields: dict[str, Any]) -> Callable[[], bytes]:
        kind = ServerSentEvent if isinstance(fields["data"], str) else JSONServerSentEvent
        return lambda: kind(**fields).encode()

    return encoder


def fastapi() -> Encoder:
    """What its routing does with an event that is yielded."""
    from fastapi import routing
    from fastapi.encoders import jsonable_encoder
    from fastapi.sse import ServerSentEvent, format_sse_event

    finite = getattr(routing, "_normalize_non_finite_floats", lambda value: value)

    def encode(fields: dict[str, Any]) -> bytes:
        data = fields["data"]
        event = ServerSentEvent(**{**fields, "data": None, "raw_data": data} if isinstance(data, str) else fields)
        text = event.raw_data if event.raw_data is not None else json.dumps(finite(jsonable_encoder(event.data)))
        return format_sse_event(data_str=text, event=event.event, id=event.id, retry=event.retry, comment=event.comment)

    return lambda fields: partial(encode, fields)


def velithon() -> Encoder:
    """Its event class."""
    from velithon.responses.sse import ServerSentEvent

    return lambda fields: lambda: ServerSentEvent(**fields).encode()


ENCODERS = {
    ALONE: orjson_alone,
    OURS: ours,
    "sse-starlette": sse_starlette,
    "fastapi": fastapi,
    "velithon": velithon,
}


def framed_in_python() -> Encoder:
    """The cheapest frame around orjson that can be written in Python, of five that were tried; it checks nothing."""
    from orjson import dumps

    def encoder(fields: dict[str, Any]) -> Callable[[], bytes]:
        data = fields["data"]
        return lambda: b"data: %b\n\n" % dumps(data)

    return encoder


def framed_in_c() -> Encoder:
    """The same in C, as an extension of this very Python: what a call, memory and a copy cost beside orjson."""
    sys.path.append(sys.argv[2])
    import floor

    return lambda fields: partial(floor.encode, fields["data"])


LIMITS = {"orjson framed in Python, unchecked": framed_in_python, "orjson framed in C, unchecked": framed_in_c}
"""For data that is JSON of one line only."""


def costs_us(*calls: Callable[[], bytes]) -> list[float]:
    """Return the best of so many short runs of each, in µs per call. They take turns."""
    counts = [enough(call) for call in calls]
    best = [math.inf] * len(calls)
    for _ in range(RUNS):
        for at, (call, count) in enumerate(zip(calls, counts, strict=True)):
            best[at] = min(best[at], seconds(call, count) / count)
    return [one * 1e6 for one in best]


def enough(call: Callable[[], bytes]) -> int:
    """Return how many calls a run takes."""
    call()
    count = 1
    while seconds(call, count) < RUN_SECONDS:
        count *= 2
    return count


def seconds(call: Callable[[], bytes], count: int) -> float:
    """Return what so many calls take."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


def given(encode: Callable[[], bytes]) -> str | None:
    """Return what a trap gives, in hexadecimal; None where it is refused."""
    try:
        return encode().hex()
    except Exception:  # noqa: BLE001 - whatever it raises, it refuses
        return None


def main() -> None:
    """Print everything about one encoder."""
    name = sys.argv[1]
    encoder, alone = (ENCODERS | LIMITS)[name](), orjson_alone()
    cases = [DICT] if name in LIMITS else list(COSTS)
    costs = {case: costs_us(encoder(COSTS[case]), alone(COSTS[case])) for case in cases}
    has_traps = name in ENCODERS and name != ALONE
    traps = {case: given(encoder(fields)) for case, fields in TRAPS.items()} if has_traps else {}
    us, orjson_us = ({case: both[at] for case, both in costs.items()} for at in range(2))
    print(json.dumps({"us": us, "orjson_us": orjson_us, "traps": traps}))


if __name__ == "__main__":
    main()
