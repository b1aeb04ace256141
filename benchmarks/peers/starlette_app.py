"""The stream as sse-starlette's manual shows it."""

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.peers.subscribers import Subscribers

subscribers = Subscribers()


async def read() -> AsyncIterator[dict[str, str]]:
    """One reader's events."""
    with subscribers.queue() as queue:
        while True:
            yield {"data": await queue.get()}


async def events(request: Request) -> EventSourceResponse:  # noqa: ARG001
    """The stream; no keep-alives, as all servers stay connected while one is measured."""
    return EventSourceResponse(read(), ping=86_400)


async def publish(request: Request) -> JSONResponse:
    """Publish a run."""
    return JSONResponse(await subscribers.publish(request.query_params["order"]))


app = Starlette(routes=[Route("/events", events), Route("/publish", publish)])
