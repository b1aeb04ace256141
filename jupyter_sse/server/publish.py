"""Publishing by POST: a body of any length is read as it comes, and what is whole of it is published at once."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.routing import PathMatches

from jupyter_sse.server.early import EarlyAnswer
from jupyter_sse.server.handler import RESOURCE
from jupyter_sse.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tornado.httputil import HTTPServerRequest

    from jupyter_sse._rust import Publication

MEDIA_TYPES = ("application/json", "application/x-ndjson", "text/event-stream")

ANY_LENGTH = 1 << 62
"""In place of Jupyter's bound on a body, which is held whole elsewhere."""

MAX_PRODUCER_BYTES = 128

NUMBER = re.compile(r"[0-9]{1,16}")
MAX_NUMBER = 1 << 53
"""What JavaScript still counts exactly."""


class PostTo(PathMatches):
    """Matches POSTs to a path, and leaves the path to another handler otherwise.

    Tornado reads bodies in pieces for all methods of a handler or for none, and then starts with each request before
    its end has been seen: readers are better off without.
    """

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the arguments of the path where it is one."""
        return super().match(request) if request.method == "POST" else None


@web.stream_request_body
class PublishHandler(EarlyAnswer):
    """One stream by its own address, to be published to."""

    publication: Publication | None = None
    _counted = 0

    async def prepare(self) -> None:
        """Let the sender in before the first byte of its body is looked at."""
        self.request.connection.set_max_body_size(ANY_LENGTH)
        try:
            await super().prepare()
            await self.begin(*self.path_args)
            self.watch_sender()
        except Exception as cause:  # noqa: BLE001 - whatever it is, the sender is told
            self.refuse(cause)

    @web.authenticated
    @authorized(action="write", resource=RESOURCE)
    def begin(self, name: str) -> None:
        """Make ready for the body, as far as the request's head tells what it is."""
        self.check_body_bytes(self.rest_bytes() or 0)
        self.publication = self.service.hub.publication(
            name,
            media_type(self.request.headers),
            user=self.user_key,
            producer=producer_of(self.request.headers),
        )

    async def data_received(self, chunk: bytes) -> None:
        """Publish what a piece of the body completes."""
        self.note_received(len(chunk))
        if self.publication is None or self.is_refused:
            return
        try:
            self.check_body_bytes(self.received_bytes)
            self.publication.feed(chunk)
        except Exception as cause:  # noqa: BLE001 - whatever it is, the sender is told
            self.refuse(cause)
            return
        self.count_published()
        self.update_api_activity()
        # A body that comes faster than it is read would leave the loop to nobody else.
        await asyncio.sleep(0)

    @web.authenticated
    @authorized(action="write", resource=RESOURCE)
    def post(self, name: str) -> None:  # noqa: ARG002 - `begin` has taken it
        """Answer 201 when the whole body is published, 200 where all of it had been before."""
        if not self.end_body():
            return
        self.publication.finish()
        report = self.publication.report()
        told = json.loads(report)
        is_repeat = not told["count"] and told["duplicates"]
        self.answer(report, 200 if is_repeat else 201)

    def check_body_bytes(self, length: int) -> None:
        """Refuse a body that is longer than the settings allow.

        Raises:
            Refusal: 413.
        """
        most = self.service.bounds.post_bytes
        if most is not None and length > most:
            message = f"expected a body of at most {most:,} bytes, got {length:,} or more; send several, or raise "
            raise Refusal(413, f"{message}SSEApp.max_post_bytes", "too-large")

    def refusal_details(self) -> dict[str, Any]:
        """Return how much of the body is published, and where it is wrong."""
        if self.publication is None:
            return {}
        return {**json.loads(self.publication.report()), "line": self.publication.line}

    def count_published(self) -> None:
        """Bring the counter up to date."""
        published = self.publication.published
        self.service.counts.published += published - self._counted
        self._counted = published

    def on_connection_close(self) -> None:
        """Keep what is published and drop an event that has not come whole."""
        if self.publication is not None and not self.is_refused:
            published = self.publication.published
            self.log.debug("POST %s: the sender is gone after %d events", self.loggable_path, published)
        super().on_connection_close()
        self.leave()

    def on_finish(self) -> None:
        """Stop being a producer of the stream."""
        super().on_finish()
        self.leave()

    def leave(self) -> None:
        """End the publication, once."""
        if self.publication is not None:
            self.count_published()
            self.publication.close()


def media_type(headers: Mapping[str, str]) -> str:
    """Return the type of a body that can be published.

    Raises:
        Refusal: 415.
    """
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        message = f"expected a body without Content-Encoding, got {coding[:40]!r}; send it as it is"
        raise Refusal(415, message, "content-encoding")
    given = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given not in MEDIA_TYPES:
        message = f"expected a Content-Type of {', '.join(MEDIA_TYPES)}, got {given[:80]!r}"
        raise Refusal(415, f"{message}; with curl: -H 'Content-Type: application/json'", "content-type")
    return given


def producer_of(headers: Mapping[str, str]) -> tuple[str, int] | None:
    """Return who numbers its events, and the number of the body's first; ``None``: nobody.

    Raises:
        Refusal: 400: only one of the two headers, or one that is none.
    """
    producer, number = headers.get("SSE-Producer"), headers.get("SSE-Sequence")
    if producer is None and number is None:
        return None
    if not producer or len(producer) > MAX_PRODUCER_BYTES:
        got = "none" if not producer else f"one of {len(producer):,}"
        message = f"expected an SSE-Producer of at most {MAX_PRODUCER_BYTES} bytes beside SSE-Sequence, got {got}"
        raise Refusal(400, f"{message}; choose one for each start of your program, such as a UUID", "header")
    if number is None or not NUMBER.fullmatch(number) or int(number) > MAX_NUMBER:
        got = "none" if number is None else repr(number[:40])
        message = f"expected the number of the body's first event in SSE-Sequence, from 0 to 2**53, got {got}"
        raise Refusal(400, f"{message}; number the events of one producer from 1", "header")
    return producer, int(number)
