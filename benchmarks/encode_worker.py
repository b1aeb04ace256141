"""`python encode_worker.py NAME`: one encoder, in the environment that has it. Prints what each case costs and gives.

Imports nothing of ours but for ours: it runs in the peers' environment too.
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

COSTS: dict[str, dict[str, Any]] = {
    "text, 40 characters": {"data": "x" * 40},
    "dict, 5 keys": {"data": PAYLOAD},
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
    "orjson alone": orjson_alone,
    "jupyter_sse": ours,
    "sse-starlette": sse_starlette,
    "fastapi": fastapi,
    "velithon": velithon,
}


def cost_us(encode: Callable[[], bytes]) -> float:
    """Return the best of five runs of about 20 ms, in µs per event."""
    encode()
    count, best = 1, math.inf
    while True:
        start = time.perf_counter()
        for _ in range(count):
            encode()
        if time.perf_counter() - start > 0.02:
            break
        count *= 2
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            encode()
        best = min(best, (time.perf_counter() - start) / count)
    return best * 1e6


def given(encode: Callable[[], bytes]) -> str | None:
    """Return what a trap gives, in hexadecimal; None where it is refused."""
    try:
        return encode().hex()
    except Exception:  # noqa: BLE001 - whatever it raises, it refuses
        return None


def main() -> None:
    """Print everything about one encoder."""
    name = sys.argv[1]
    encoder = ENCODERS[name]()
    costs = {case: cost_us(encoder(fields)) for case, fields in COSTS.items()}
    traps = {} if name == "orjson alone" else {case: given(encoder(fields)) for case, fields in TRAPS.items()}
    print(json.dumps({"us": costs, "traps": traps}))


if __name__ == "__main__":
    main()
