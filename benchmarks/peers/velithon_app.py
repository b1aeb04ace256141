"""The stream as velithon's manual shows it, on its own server.

As it is shipped (0.6.10) every SSEResponse is answered with 500: its ``__init__`` never sets ``body``, which the
headers are made from. One attribute repairs that; nothing else is changed.
"""

from collections.abc import AsyncIterator

from velithon import Velithon
from velithon.requests import Request
from velithon.responses import JSONResponse, SSEResponse

from benchmarks.peers.subscribers import Subscribers

app = Velithon()
subscribers = Subscribers()


class RepairedSSEResponse(SSEResponse):
    """An SSEResponse that answers."""

    body = None


async def read() -> AsyncIterator[str]:
    """One reader's events."""
    with subscribers.queue() as queue:
        while True:
            yield await queue.get()


@app.get("/events")
async def events() -> RepairedSSEResponse:
    """The stream."""
    return RepairedSSEResponse(read())


@app.get("/publish")
async def publish(request: Request) -> JSONResponse:
    """Publish a run."""
    return JSONResponse(await subscribers.publish(request.query_params["order"]))
