"""The stream as FastAPI's manual shows it. The data is JSON already: ``raw_data`` spares FastAPI its encoding."""

from collections.abc import AsyncIterable
from typing import Any

import fastapi.routing
import fastapi.sse
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from benchmarks.peers.subscribers import Subscribers

# All servers stay connected while one is measured: no keep-alives meanwhile.
fastapi.sse._PING_INTERVAL = 86_400.0
if hasattr(fastapi.routing, "_PING_INTERVAL"):
    fastapi.routing._PING_INTERVAL = 86_400.0

app = FastAPI()
subscribers = Subscribers()


@app.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterable[ServerSentEvent]:
    """The stream."""
    with subscribers.queue() as queue:
        while True:
            yield ServerSentEvent(raw_data=await queue.get())


@app.get("/publish")
async def publish(order: str) -> dict[str, Any]:
    """Publish a run."""
    return await subscribers.publish(order)
