"""Reading streams: ``<base>/sse/<name>`` and ``<base>/sse?stream=…``."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_sse.error import StreamEndedError, UnknownStreamError
from jupyter_sse.server.handler import RESOURCE, SSEHandler
from jupyter_sse.server.handover import hand_over, response_head, set_stream_headers
from jupyter_sse.server.identity import stream_token
from jupyter_sse.server.refusal import Refusal
from jupyter_sse.server.visit import describe_request

if TYPE_CHECKING:
    from jupyter_server.auth.authorizer import Authorizer
    from jupyter_server.auth.identity import IdentityProvider

    from jupyter_sse._rust import Subscription
    from jupyter_sse.server.service import Service

FLAGS = {"": False, "0": False, "1": True}

LONGEST_ID = 200
"""How much of a reader's last id is looked at, in characters; own ids and positions have at most 128 bytes.

Each stream of the connection keeps the id for the gap that it may announce.
"""


LONGEST_CONFLATION = 3_600
"""The longest time, in seconds, for which a reader may ask to get only the last event."""

SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")


class StreamHandler(SSEHandler):
    """A reader's way in: everything is checked here, then the socket leaves Tornado.

    ``spec``, in the path or in each argument ``stream``, is a stream's name, or ``<name>@<cursor>`` where the
    cursor is ``earliest`` (the default), ``latest``, ``-N``, a position or an own id.
    """

    @property
    def identity_provider(self) -> IdentityProvider:
        """The server's, except where a stream token stands in place of a login."""
        return self.service.token_identity if self.has_stream_token() else super().identity_provider

    @property
    def authorizer(self) -> Authorizer:
        """The server's, except where a stream token stands in place of a login."""
        return self.service.token_authorizer if self.has_stream_token() else super().authorizer

    @property
    def _track_activity(self) -> bool:
        """Whether this request is activity, as Jupyter asks: where the settings say so."""
        return self.service.readers_are_activity

    def has_stream_token(self) -> bool:
        """Tell whether the request wants to read with a stream token."""
        return self.request.method in ("GET", "HEAD") and stream_token(self.request) is not None

    def decode_argument(self, value: bytes, name: str | None = None) -> str:  # noqa: ARG002 - Tornado's
        """Return an argument, or a part of the path, as text: a cursor that is no UTF-8 is unknown, and no error."""
        return value.decode("utf-8", "replace")

    def initialize(self, service: Service) -> None:
        """Take what the routes of the extension hand over; be ready for a reader that goes before it has a response."""
        super().initialize(service)
        self.reader_left = asyncio.Event()

    def on_connection_close(self) -> None:
        """The reader is gone: it waits for no head."""
        self.reader_left.set()
        super().on_connection_close()

    def requested_specs(self) -> list[str]:
        """Return what is asked for, ``<name>`` or ``<name>@<cursor>`` each."""
        return [self.path_spec()] if self.path_args else self.get_query_arguments("stream", strip=False)

    def path_spec(self) -> str:
        """Return what the path asks for. Of a route it may say by percent what is no part of a stream's name."""
        prefix = url_path_join(self.base_url, "sse/")
        if "%" not in self.request.path or not self.request.path.startswith(prefix):
            return self.path_args[0]
        name, at, _ = self.request.path.removeprefix(prefix).partition("@")
        path = quote(unquote_to_bytes(name), safe="/")
        if "%" not in path or not self.service.hub.can_be_read(path):
            return self.path_args[0]
        return path + at + self.path_args[0].rpartition("@")[2] if at else path

    def requested_names(self) -> list[str]:
        """Return the names of the streams that are asked for."""
        return [spec.partition("@")[0] for spec in self.requested_specs()]

    @web.authenticated
    @authorized(action="read", resource=RESOURCE)
    async def get(self, spec: str | None = None) -> None:
        """Give the connection to the hub, which writes the stream to it.

        The cursor is fixed before the head is written: an event between the two belongs to the reader. The head of
        a reader for whom a generator runs waits a moment for what that begins with.
        """
        self.check_xsrf_cookie()
        specs = self.require_specs()
        self.service.check_room(self.user_key, self.request.remote_ip, is_returning=self.is_returning(specs))
        try:
            subscription = self.subscribe(specs, is_single=spec is not None)
        except StreamEndedError:
            self.answer_nothing()
            return
        set_stream_headers(self)
        try:
            if subscription.visits and spec is not None:
                await self.service.arrivals.begin(self, subscription)
            hand_over(self, subscription, response_head(self))
        finally:
            # Where nobody has taken it over, nothing runs for it any more.
            subscription.forget()

    @web.authenticated
    @authorized(action="read", resource=RESOURCE)
    async def head(self, spec: str | None = None) -> None:
        """Answer as GET would, without a stream."""
        self.check_xsrf_cookie()
        for name in self.requested_names() if self.require_specs() else ():
            if spec is not None and not self.flag("wait") and not self.service.hub.can_be_read(name):
                raise UnknownStreamError(f"expected the name of a stream on this server, got {name!r}")
        set_stream_headers(self)
        await self.flush()

    def require_specs(self) -> list[str]:
        """Return what is asked for.

        Raises:
            Refusal: 400: nothing is.
        """
        specs = self.requested_specs()
        if not specs:
            message = "expected a stream in the address, as in <base>/sse/<name> or <base>/sse?stream=<name>, got none"
            raise Refusal(400, message, "name")
        return specs

    def is_returning(self, specs: list[str]) -> bool:
        """Tell whether the reader was here before: it brings a cursor, no mere start."""
        if self.last_event_id():
            return True
        cursors = (spec.partition("@")[2] for spec in specs)
        return any(cursor and cursor not in ("earliest", "latest") and cursor[0] != "-" for cursor in cursors)

    def last_event_id(self) -> str | None:
        """Return where the reader was: by the header, else by the address."""
        header = self.request.headers.get("Last-Event-ID", "")
        # Tornado reads headers as Latin-1, EventSource sends the id as UTF-8.
        sent = header.encode("latin-1", "replace").decode("utf-8", "replace")
        return (sent or self.get_query_argument("last_event_id", "", strip=False))[:LONGEST_ID] or None

    def subscribe(self, specs: list[str], is_single: bool) -> Subscription:
        """Fix the reader's cursors.

        Raises:
            UnknownStreamError: A newcomer to one stream that there is not.
            StreamEndedError: The reader of one stream has seen its end.
        """
        return self.service.hub.subscribe(
            specs,
            single=is_single,
            last_event_id=self.last_event_id(),
            control=self.flag("control"),
            positions=self.choice("ids", ("own", "position")) == "position",
            wait=self.flag("wait"),
            latest_when_slow=self.choice("slow", ("earliest", "latest")) == "latest",
            conflate=self.seconds("conflate", LONGEST_CONFLATION),
            user=self.user_key,
            address=self.request.remote_ip,
            token=stream_token(self.request) if self.has_stream_token() else None,
            request=describe_request(self),
        )

    def flag(self, name: str) -> bool:
        """Return a yes or no from the address."""
        value = self.get_query_argument(name, "")
        if value not in FLAGS:
            raise Refusal(400, f"expected {name}=0 or {name}=1 in the address, got {name}={value[:40]!r}", "query")
        return FLAGS[value]

    def choice(self, name: str, values: tuple[str, ...]) -> str:
        """Return one of ``values`` from the address, the first where none is given."""
        value = self.get_query_argument(name, values[0])
        if value not in values:
            expected = " or ".join(f"{name}={allowed}" for allowed in values)
            raise Refusal(400, f"expected {expected} in the address, got {name}={value[:40]!r}", "query")
        return value

    def seconds(self, name: str, most: int) -> float | None:
        """Return a time from the address, more than nothing; ``None`` where none is given."""
        value = self.get_query_argument(name, None)
        if value is None:
            return None
        if not SECONDS.fullmatch(value) or not 0.001 <= float(value) <= most:
            expected = f"{name}=<seconds> in the address, from 0.001 to {most:,}"
            raise Refusal(400, f"expected {expected}, got {name}={value[:40]!r}", "query")
        return float(value)


class SingleStreamHandler(StreamHandler):
    """One stream by its own address. A POST to it goes to :class:`jupyter_sse.server.publish.PublishHandler`."""

    allowed_methods = "GET, HEAD, OPTIONS, POST"
