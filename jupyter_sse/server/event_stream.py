"""``EventStreamHandler``: event streams of one's own, in a Jupyter server and in any other application of Tornado."""

from __future__ import annotations

import asyncio
import functools
import json
import random
import re
import secrets
import string
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.log import app_log

from jupyter_sse._rust import MAX_EVENT_BYTES, encode
from jupyter_sse.error import HTTPError
from jupyter_sse.failure import describe
from jupyter_sse.server.handover import response_head, set_stream_headers
from jupyter_sse.server.outgoing import Outgoing
from jupyter_sse.server.reader_run import ReaderRun
from jupyter_sse.server.refusal import Refusal, plain_refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from types import TracebackType
    from typing import NoReturn

END_ID = re.compile(r"[0-9A-Za-z]{11}-end-[0-9]+")
"""The ids of ends, as the hub writes them; no event of a program has one."""

ALPHABET = string.digits + string.ascii_letters

LONGEST_ID = 200
"""How much of a reader's last id is looked at, in characters; ids that were sent have at most 128 bytes."""

RUNS = "jupyter_sse_runs"
"""Where an application's settings hold the runs of its readers."""

CLOSE_TIMEOUT = 5.0
"""Seconds that generators have for their ``finally`` when the server ends."""

UNGUARDED = (
    "expected a handler with Jupyter's login, got {name}, which is none; write class {name}(EventStreamHandler, "
    "JupyterHandler), or set is_public = True in it if everybody may read it"
)


def authenticated_by_jupyter(method: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Let in whom Jupyter lets in, and elsewhere everybody.

    A Jupyter server that wants a login everywhere looks for a decorator of such a name, and warns where there is none.
    """

    @functools.wraps(method)
    async def wrapper(self: EventStreamHandler, *path_args: str, **path_kwargs: str) -> None:
        await self.check_access()
        await method(self, *path_args, **path_kwargs)

    return wrapper


class EventStreamHandler(web.RequestHandler):
    """A handler of Tornado whose answer is an event stream: override ``events``.

        class ClockHandler(EventStreamHandler):
            async def events(self):
                while True:
                    yield {"time": time.time()}
                    await asyncio.sleep(1)

    In a Jupyter server write ``class ClockHandler(EventStreamHandler, JupyterHandler)``. Then its login, its authorizer
    (``auth_action`` on ``auth_resource``), XSRF and origin checks hold, without any decorator.

    Every reader has a generator of its own. It is pulled: it rests while its reader is slow. When the reader goes it is
    cancelled where it waits, or closed at its ``yield``, and its ``finally`` runs at once.

    Before its first event it can set headers, or raise ``sse.HTTPError``: the answer has that status, and says why in
    JSON. The head waits for the first event, but no longer than ``head_timeout``. When the generator ends, the reader
    gets ``sse.end`` with the reason ``done``, ``error`` (type and message; the traceback is logged) or ``refused`` (an
    ``HTTPError`` that came late), and 204 when it comes back, which stops an ``EventSource``.

    A reader that comes back brings the ``id`` of the last event it got, where events have ids: ``last_event_id``.

    Attributes:
        ping_interval: Seconds of silence after which a keep-alive is written; None: never.
        reconnection_time: After how many milliseconds readers come back that lost the connection, about: each is told
            from half to one and a half of it. None: what the reader thinks right.
        stall_timeout: Seconds for which a reader may take nothing before it is disconnected; None: for ever.
        max_age: Seconds after which the connection is closed and the reader comes back with a new request, less up to a
            tenth; None: no bound. A login is looked at only at the beginning of a request.
        head_timeout: Seconds that the response head waits for the first event.
        max_event_bytes: The most that the data, retry and comment lines of an event may take.
        auth_action: What Jupyter's authorizer is asked for.
        auth_resource: Of what; set it to the name of your extension.
        is_public: In a Jupyter server, whether everybody may read, without a login.
    """

    ping_interval: float | None = 15.0
    reconnection_time: int | None = 2_000
    stall_timeout: float | None = 60.0
    max_age: float | None = None
    head_timeout: float = 1.0
    max_event_bytes: int = MAX_EVENT_BYTES
    auth_action = "read"
    auth_resource = "sse"
    is_public = False

    _run: ReaderRun | None = None
    _has_access = False

    def events(self, *path_args: str, **path_kwargs: str) -> AsyncIterator[object]:
        """Yield the events for this reader: override this, with ``async def`` and ``yield``.

        Args:
            path_args: The groups of the route's pattern, as for Tornado's ``get``.
            path_kwargs: Its named groups.

        Yields:
            What a cell could yield: text, a dict of an event's fields, a ``ServerSentEvent``, anything that has JSON. A
            value that cannot be sent raises ``EncodeError`` at the ``yield``.

        Raises:
            jupyter_sse.HTTPError: Before the first event, to answer with that status.
        """
        raise NotImplementedError(f"expected {type(self).__name__}.events to be overridden by an async generator")

    @property
    def last_event_id(self) -> str | None:
        """Where a returning reader was, by the header ``Last-Event-ID`` or the argument ``last_event_id``; else None.

        Anybody can send any text. It has at most 200 characters, and no NUL.
        """
        header = self.request.headers.get("Last-Event-ID", "")
        # Tornado reads headers as Latin-1, EventSource sends the id as UTF-8.
        sent = header.encode("latin-1", "replace").decode("utf-8", "replace")
        if not sent:
            sent = self.request.query_arguments.get("last_event_id", [b""])[-1].decode("utf-8", "replace")
        return None if "\0" in sent else sent[:LONGEST_ID] or None

    @authenticated_by_jupyter
    async def get(self, *path_args: str, **path_kwargs: str) -> None:
        """Answer with the stream."""
        await self.respond(*path_args, **path_kwargs)

    @authenticated_by_jupyter
    async def head(self, *path_args: str, **path_kwargs: str) -> None:  # noqa: ARG002 - Tornado's
        """Answer as GET would, without running the generator."""
        if not self._has_seen_end():
            set_stream_headers(self)
            await self.flush()

    async def respond(self, *path_args: str, **path_kwargs: str) -> None:
        """Answer with the stream: what ``get`` does, for a handler that also streams in answer to a POST."""
        await self.check_access()
        if self._has_seen_end():
            return
        set_stream_headers(self)
        run = self._run = ReaderRun(self._events(*path_args, **path_kwargs), self.max_event_bytes)
        runs = self.settings.setdefault(RUNS, set())
        runs.add(run)
        run.when_over(functools.partial(runs.discard, run))
        try:
            await run.wait_for_first(self.head_timeout)
            if run.is_over and run.error is not None and not run.has_events:
                raise run.error
            if not run.is_stopped:
                await self._deliver(run)
        finally:
            run.stop()

    def describe_error(self, error: BaseException) -> dict[str, str]:
        """Return what readers are told of an exception: its type and message, shortened. Override it to say less."""
        told = describe(error)
        return {"type": told["type"], "message": told["message"]}

    async def check_access(self) -> None:
        """Let Jupyter decide who may read, in a Jupyter server.

        Raises:
            tornado.web.HTTPError: Not this one.
        """
        jupyter = sys.modules.get("jupyter_server.base.handlers")
        if self._has_access or self.is_public or jupyter is None:
            return
        if isinstance(self, jupyter.JupyterHandler):
            from jupyter_sse.server.access import check_access

            await check_access(self)
        elif "identity_provider" in self.settings:
            # Nobody is to find it public by mistake.
            raise TypeError(UNGUARDED.format(name=type(self).__name__))
        self._has_access = True

    def _has_seen_end(self) -> bool:
        """Answer 204 to who has."""
        if not END_ID.fullmatch(self.last_event_id or ""):
            return False
        self.set_status(204)
        self.finish()
        return True

    def _events(self, *path_args: str, **path_kwargs: str) -> AsyncIterator[object]:
        events = self.events(*path_args, **path_kwargs)
        if not hasattr(events, "__anext__"):
            if asyncio.iscoroutine(events):
                events.close()
            name = f"{type(self).__name__}.events"
            raise TypeError(f"expected {name} to be an async generator, with async def and yield, got {events!r:.80}")
        return events

    async def _deliver(self, run: ReaderRun) -> None:
        """Take the connection from Tornado, and write what the generator yields.

        The body ends with the connection: where a server dies, proxies pass on the end of such a body at once, and
        leave the reader of a chunked one waiting. Nor is it compressed, which would hold events back.
        """
        head = response_head(self)
        stream = self.detach()
        if stream is None or stream.closed():
            return
        outgoing = Outgoing(
            stream, ping_interval=self.ping_interval, stall_timeout=self.stall_timeout, on_close=run.stop
        )
        # How long the stream stays open is no request time, in access logs and metrics.
        self.application.log_request(self)
        try:
            outgoing.put(head + self._reconnection_line())
            run.give(outgoing)
            with self._bounded_age(run):
                await run.wait()
            self._log_error(run)
            if not run.is_stopped:
                outgoing.put(self._end_block(run.error))
            await outgoing.drained()
        finally:
            outgoing.close()

    def _reconnection_line(self) -> bytes:
        middle = self.reconnection_time
        # A proxy holds back a head without a body.
        return b":\n\n" if middle is None else b"retry: %d\n\n" % random.randint(middle // 2, middle * 3 // 2)  # noqa: S311

    @contextmanager
    def _bounded_age(self, run: ReaderRun) -> Iterator[None]:
        if self.max_age is None:
            yield
            return
        # Those who came together do not return together.
        age = self.max_age * random.uniform(0.9, 1.0)  # noqa: S311
        timer = asyncio.get_running_loop().call_later(age, run.stop)
        try:
            yield
        finally:
            timer.cancel()

    def _end_block(self, error: BaseException | None) -> bytes:
        status = refused_status(error)
        end = {
            "stream": self.request.path,
            "reason": "done" if error is None else "error" if status is None else "refused",
            "status": status,
            "error": None if error is None else self.describe_error(error),
        }
        block = encode(json.dumps(end, ensure_ascii=False))
        own_id = "".join(secrets.choice(ALPHABET) for _ in range(11))
        return f"event: sse.end\nid: {own_id}-end-1\n".encode() + block

    def _log_error(self, run: ReaderRun) -> None:
        if run.error is not None and refused_status(run.error) is None:
            self.log_exception(type(run.error), run.error, run.error.__traceback__)

    def on_connection_close(self) -> None:
        """Stop the generator of a reader that goes before its first event."""
        super().on_connection_close()
        if self._run is not None:
            self._run.stop()

    def get_login_url(self) -> NoReturn:
        """Refuse: neither an EventSource nor a script can follow a redirect to a login page."""
        raise Refusal(403, "expected a login, got none that this server knows", "login")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer ``{"message", "reason"}``."""
        cause = (kwargs.get("exc_info") or (None, None))[1]
        refusal = cause if isinstance(cause, Refusal) else plain_refusal(status_code, cause)
        if isinstance(cause, HTTPError):
            self.set_status(refusal.status_code)
        elif status_code == 500 and self._run is not None and cause is self._run.error and cause is not None:
            refusal.message = "{type}: {message}".format(**self.describe_error(cause))
        for name, value in refusal.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        # Past the finish() of Jupyter's handlers, which knows no JSON of ours.
        self.finish(json.dumps({"message": refusal.message, "reason": refusal.kind}, ensure_ascii=False))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log without query string and headers: Tornado would log both, and a token may stand in them."""
        log = getattr(self, "log", app_log)
        if refused_status(value) is not None:
            log.debug("%s %s: %s", self.request.method, self.request.path, value)
        else:
            log.error("Error in %s %s", self.request.method, self.request.path, exc_info=(typ, value, tb))


def refused_status(error: BaseException | None) -> int | None:
    """Return the status of an error that says no by one; None: it is another."""
    if isinstance(error, HTTPError):
        return error.status
    return error.status_code if isinstance(error, web.HTTPError) else None


async def close_event_streams(application: web.Application, timeout: float = CLOSE_TIMEOUT) -> int:
    """Stop the generators of all readers of an application's handlers, and wait until their ``finally`` has run.

    Readers see the connection end, and come back when there is a server again. A Jupyter server with the extension
    jupyter_sse does this when it stops.

    Args:
        application: Whose handlers.
        timeout: Seconds to wait, at the most.

    Returns:
        How many readers there were.
    """
    runs = list(application.settings.get(RUNS, ()))
    for run in runs:
        run.stop()
    await asyncio.gather(*(run.wait(timeout) for run in runs))
    return len(runs)
