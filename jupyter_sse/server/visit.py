"""Readers of routes: what the generator of each is told of it, and what the head of its response waits for."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tornado.ioloop import IOLoop

from jupyter_sse.server.handover import NOT_OF_A_STREAM
from jupyter_sse.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tornado.httputil import HTTPHeaders
    from tornado.web import RequestHandler

    from jupyter_sse._rust import Hub, Subscription

HEAD_PATIENCE = 1.0
"""Seconds that the head of a response waits for the first thing that the generator does."""

CREDENTIALS = ("auth", "cookie", "credential", "jwt", "key", "password", "secret", "session", "token")
"""What the names of headers have in them that no generator is shown: who has those can act as the reader.

Jupyter's own, and those that proxies in front of it add, such as ``X-Forwarded-Access-Token``.
"""

NOT_FOR_GENERATORS = frozenset(
    {"token", "_xsrf", "stream", "last_event_id", "control", "ids", "slow", "conflate", "wait"}
)
"""Parameters of the address that are credentials, or ours."""

NOT_A_GENERATORS = NOT_OF_A_STREAM | {"connection", "content-type"}
"""Headers that a generator cannot set: a stream would be none."""


class Arrivals:
    """What the runs of generators begin with, for the heads that wait for it. Everything runs on Tornado's loop."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: dict[int, asyncio.Future[tuple[str, str]]] = {}
        self._descriptor: int | None = None

    async def begin(self, handler: RequestHandler, subscription: Subscription) -> None:
        """Wait until a reader's run has begun: headers that it sets are the response's.

        Args:
            handler: Of the request; its ``reader_left`` is set when the reader goes.
            subscription: With one visit.

        Raises:
            Refusal: The generator does not want this reader.
        """
        visit = subscription.visits[0]
        begun = asyncio.get_running_loop().create_future()
        self._waiting[visit] = begun
        self._watch()
        left = asyncio.ensure_future(handler.reader_left.wait())
        try:
            await asyncio.wait((begun, left), timeout=HEAD_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            del self._waiting[visit]
        if begun.done():
            kind, payload = begun.result()
            answer = json.loads(payload)
            headers = dict(headers_of(answer["headers"]))
            if kind == "refused":
                raise Refusal(answer["status"], answer["message"], "refused", headers)
            for name, value in headers.items():
                handler.set_header(name, value)

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._descriptor is not None:
            IOLoop.current().remove_handler(self._descriptor)
            self._descriptor = None

    def _watch(self) -> None:
        if self._descriptor is None:
            self._descriptor = self._hub.begun_fileno()
            IOLoop.current().add_handler(self._descriptor, self._on_begun, IOLoop.READ)

    def _on_begun(self, descriptor: int, events: int) -> None:  # noqa: ARG002 - Tornado's
        for visit, kind, payload in self._hub.take_begun():
            begun = self._waiting.get(visit)
            # One whose head has been written gets the rest in the stream.
            if begun is not None and not begun.done():
                begun.set_result((kind, payload))


def headers_of(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers that a generator sets and that can be sent."""
    for name, value in told.items():
        text = str(value)
        is_token = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
        if is_token and text.isprintable() and text.isascii() and name.lower() not in NOT_A_GENERATORS:
            yield name, text


def describe_request(handler: RequestHandler) -> str:
    """Return what the generator of a route is told of its reader, as JSON for the hub, which adds the rest."""
    request = handler.request
    query = {
        name: [value.decode("utf-8", "replace") for value in values]
        for name, values in request.query_arguments.items()
        if name not in NOT_FOR_GENERATORS
    }
    user = handler.current_user
    known = {name: getattr(user, name, None) for name in ("username", "name", "display_name")}
    told = {
        "query": query,
        "headers": dict(shown_headers(request.headers)),
        "user": known if known["username"] is not None else None,
        "address": request.remote_ip or "",
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def shown_headers(headers: HTTPHeaders) -> Iterator[tuple[str, str]]:
    """Yield the headers that a generator may see, by lower-case name."""
    for name, value in headers.items():
        key = name.lower()
        if key == "referer":
            # A token may stand in its query.
            yield key, urlsplit(value)._replace(query="", fragment="").geturl()
        elif not any(word in key for word in CREDENTIALS):
            yield key, value
