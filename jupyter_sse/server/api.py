"""The REST interface: streams, connections, metrics, below ``<base>/api/sse``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import ensure_async
from tornado import web
from tornado.ioloop import IOLoop

from jupyter_sse.error import UnknownStreamError
from jupyter_sse.server.handler import RESOURCE, SSEHandler
from jupyter_sse.server.refusal import RETRY_AFTER, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_CHANGE_BYTES = 4 << 20
"""The largest change of a connection."""

MAX_CHANGED_NAMES = 10_000
"""The most names in one: ten times what a connection reads. The hub takes them one by one, all others waiting."""


ALL_CONNECTIONS = "sse-connections"
"""The resource that an authorizer is asked about before the connections of other users are shown."""


class StreamsHandler(SSEHandler):
    """All streams."""

    allowed_methods = "GET, OPTIONS"

    @web.authenticated
    @authorized(action="read", resource=RESOURCE)
    async def get(self) -> None:
        """List them: there may be thousands, and others use this loop."""
        self.answer(await ask(self.service.hub.streams))


class RoutesHandler(SSEHandler):
    """All routes: families of names whose readers get a run of a generator each."""

    allowed_methods = "GET, OPTIONS"

    @web.authenticated
    @authorized(action="read", resource=RESOURCE)
    async def get(self) -> None:
        """List them."""
        self.answer(await ask(self.service.hub.routes))


class OneStreamHandler(SSEHandler):
    """One stream."""

    allowed_methods = "DELETE, GET, OPTIONS"

    @web.authenticated
    @authorized(action="read", resource=RESOURCE)
    async def get(self, name: str) -> None:
        """Describe it, and how far behind the slowest of its readers is."""
        described = await ask(self.service.hub.stream_with_backlog, name)
        if described is None:
            raise unknown(name)
        self.answer(described)

    @web.authenticated
    @authorized(action="write", resource=RESOURCE)
    def delete(self, name: str) -> None:
        """End it: its producer is told to stop."""
        if not self.service.hub.end(name):
            raise unknown(name)
        self.answer_nothing()


class ConnectionsHandler(SSEHandler):
    """All readers that are connected."""

    allowed_methods = "GET, OPTIONS"

    @web.authenticated
    @authorized(action="read", resource=RESOURCE)
    async def get(self) -> None:
        """List them: what each reads, how far behind it is, what it missed. Users see their own connections.

        Those of others are seen by whom the authorizer lets read ``sse-connections`` (Jupyter's own lets everybody
        who is logged in), and by the one owner of a server that knows no users.
        """
        user = None if await self.may_see_all() else self.user_key
        self.answer(await ask(self.service.hub.readers, user))

    async def may_see_all(self) -> bool:
        """Tell whether who asks may see the connections of others."""
        allowed = self.authorizer.is_authorized(self, self.current_user, "read", ALL_CONNECTIONS)
        return bool(await ensure_async(allowed))


class TokensHandler(SSEHandler):
    """The tokens of one stream. Not below the stream's own address: there a name could end in ``/tokens``."""

    allowed_methods = "DELETE, OPTIONS"

    @web.authenticated
    @authorized(action="write", resource=RESOURCE)
    def delete(self, name: str) -> None:
        """Take all of them back; who reads by one is disconnected."""
        self.answer({"stream": name, "revoked": self.service.hub.revoke_tokens(name)})


class ConnectionHandler(SSEHandler):
    """One connection of many streams."""

    allowed_methods = "OPTIONS, POST"

    @web.authenticated
    @authorized(action="write", resource=RESOURCE)
    def post(self, connection: str) -> None:
        """Change what it reads: ``{"add": ["<name>@<cursor>", …], "remove": ["<name>", …]}``."""
        change = self.read_change()
        try:
            self.service.hub.change(connection, self.user_key, change["add"], change["remove"])
        except KeyError:
            message = f"expected the id of an open connection, as sse.open tells it, got {connection[:80]!r}"
            raise Refusal(404, f"{message}; open the stream again", "unknown-connection") from None
        except PermissionError:
            message = "expected a connection of the same user, got another user's; change only your own"
            raise Refusal(403, message, "forbidden") from None
        self.answer_nothing()

    def read_change(self) -> dict[str, list[str]]:
        """Return the lists of the body, empty where it has none.

        Raises:
            Refusal: 413: the body is too large, or 400: it is something else.
        """
        if len(self.request.body) > MAX_CHANGE_BYTES:
            message = f"expected a body of at most {MAX_CHANGE_BYTES:,} bytes, got {len(self.request.body):,}"
            raise Refusal(413, f"{message}; change fewer streams at a time", "too-large")
        try:
            body: Any = orjson.loads(self.request.body)
        except ValueError:
            body = None
        if isinstance(body, dict) and set(body) <= {"add", "remove"}:
            change = {key: body.get(key, []) for key in ("add", "remove")}
            if all(is_list_of_names(names) for names in change.values()):
                check_number(change)
                return change
        got = self.request.body[:80].decode("utf-8", "replace")
        message = f'expected JSON like {{"add": ["a@earliest"], "remove": ["b"]}}, got {got!r}'
        raise Refusal(400, message, "json")


class MetricsHandler(SSEHandler):
    """Counters, for programs that read JSON; Prometheus finds them at Jupyter's own ``/metrics``."""

    allowed_methods = "GET, OPTIONS"

    @web.authenticated
    @authorized(action="read", resource=RESOURCE)
    def get(self) -> None:
        """Return them."""
        self.answer(self.service.metrics())


async def ask(question: Callable[..., T], *arguments: Any) -> T:
    """Return what takes a while to find out: the hub's thread may have thousands of readers to write to first.

    Raises:
        Refusal: 503: it does not answer.
    """
    try:
        return await IOLoop.current().run_in_executor(None, partial(question, *arguments))
    except OSError:
        message = "expected an answer of the hub within two seconds, got none: it is busy or stopping; ask again"
        raise Refusal(503, message, "busy", RETRY_AFTER) from None


def is_list_of_names(value: Any) -> bool:
    """Tell whether ``value`` is a list of strings."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def check_number(change: dict[str, list[str]]) -> None:
    """Refuse a change of too many streams.

    Raises:
        Refusal: 413.
    """
    number = sum(map(len, change.values()))
    if number > MAX_CHANGED_NAMES:
        message = f"expected at most {MAX_CHANGED_NAMES:,} names in one change, got {number:,}"
        raise Refusal(413, f"{message}; change fewer streams at a time", "too-large")


def unknown(name: str) -> UnknownStreamError:
    """Return the error for a stream that there is not."""
    return UnknownStreamError(
        f"expected the name of a stream on this server, got {name[:200]!r}; GET <base>/api/sse/streams lists them"
    )
