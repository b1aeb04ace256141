"""Visits: one reader's own run of a per-subscriber generator, which advances as far as the reader has read."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_sse import failure
from jupyter_sse._rust import read
from jupyter_sse.error import EncodeError, HTTPError, SSEError
from jupyter_sse.failure import refused_value
from jupyter_sse.header import checked_header
from jupyter_sse.life import Life
from jupyter_sse.run import TURN

if TYPE_CHECKING:
    from jupyter_sse._rust import Producer, ServerSentEvent
    from jupyter_sse.background import Background
    from jupyter_sse.client import Client
    from jupyter_sse.origin import Origin
    from jupyter_sse.request import Request

HEAD_TIMEOUT = 1.0
"""Seconds that the head of a response waits for the first event. The server counts them."""


class Host(Protocol):
    """What has visits: a route."""

    origin: Origin

    def make(self, visit: Visit) -> Any:
        """Make the generator for a reader."""

    def show_error(self, error: BaseException) -> None:
        """Show an error below the cell. Called in a thread or task that is pinned to it."""

    def left(self, visit: Visit) -> None:
        """A visit is over."""


class Visit(Life):
    """One reader's run of a generator function.

    Args:
        client: of this process.
        host: the route.
        request: what the reader asked for.
        arguments: for the function, by name.

    Attributes:
        producer: writes to the reader; set before the launch.
        background: what is called afterwards, if anything is.
        is_over: the reader has been told the end.

    Threads: every public method may be called from any thread, but for those that drivers call.
    """

    producer: Producer

    def __init__(self, client: Client, host: Host, request: Request, arguments: dict[str, Any]) -> None:
        super().__init__(f"the stream {request.path!r}", host.origin)
        self.request = request
        self.arguments = arguments
        self.background: Background | None = None
        self.is_over = False
        self._client = client
        self._host = host
        self._begun_at = time.monotonic()
        self._has_head = False
        self._is_replaced = False
        # Set when the reader may have taken something, or the stop has begun. The second is the loop's, in a task.
        self._news = threading.Event()
        self._news_in_task: asyncio.Event | None = None

    # What the client passes on.

    def credited(self) -> None:
        """Go on: the reader has taken some of what it was sent."""
        self._news.set()
        if self._news_in_task is not None:
            self.driver.call_soon(self._news_in_task.set)

    def refused(self, message: str) -> None:  # noqa: ARG002 - the reader has left: nobody needs to be told
        """Stop: the hub does not take what is yielded."""
        self.stop_requested()

    def begin_stop(self) -> None:
        """Let the generator be closed at its next yield, or where it rests. Does not wait."""
        super().begin_stop()
        self.credited()

    def hand_over(self) -> None:
        """Leave the reader to the route that replaces this visit's: it sees no end."""
        self._is_replaced = True

    # What drivers call.

    def make(self) -> Any:
        """Make the generator."""
        return self._host.make(self)

    def drive(self, generator: Any) -> None:
        """Send what a plain generator yields, as far as there is credit."""
        advance, send = generator.__next__, self.producer.send
        refusal: Exception | None = None
        while self._rest():
            try:
                value = advance() if refusal is None else generator.throw(refusal)
            except StopIteration:
                return
            if self.is_stopping:
                return
            refusal = None
            try:
                send(value if self._has_head else self._after_head(value))
            except Exception as raised:  # noqa: BLE001 - the generator hears of it, at the line that yielded
                refusal = self._refusal(raised)

    async def drive_in_task(self, generator: Any) -> None:
        """Send what an async generator yields, as far as there is credit."""
        self._news_in_task = asyncio.Event()
        producer = self.producer
        next_turn = time.monotonic() + TURN
        refusal: Exception | None = None
        while await self._rest_in_task():
            try:
                value = await (generator.__anext__() if refusal is None else generator.athrow(refusal))
            except StopAsyncIteration:
                return
            if self.is_stopping:
                return
            refusal = None
            try:
                unsent = producer.offer(value if self._has_head else self._after_head(value))
                if unsent is not None:
                    # The link is full. Only this visit waits for room, not the loop.
                    await asyncio.to_thread(producer.send, unsent)
            except Exception as raised:  # noqa: BLE001 - the generator hears of it, at the line that yielded
                refusal = self._refusal(raised)
            if time.monotonic() >= next_turn:
                await asyncio.sleep(0)
                next_turn = time.monotonic() + TURN

    def _rest(self) -> bool:
        """Wait for credit; say whether to go on."""
        while self.producer.credit <= 0 and not self.is_stopping:
            self._news.clear()
            # What comes from here on sets it.
            if self.producer.credit <= 0 and not self.is_stopping:
                self._news.wait()
        return not self.is_stopping

    async def _rest_in_task(self) -> bool:
        while self.producer.credit <= 0 and not self.is_stopping:
            self._news_in_task.clear()
            if self.producer.credit <= 0 and not self.is_stopping:
                await self._news_in_task.wait()
        return not self.is_stopping

    def _refusal(self, error: Exception) -> Exception | None:
        """Return what the generator is to hear of a value that was not sent."""
        if isinstance(error, SSEError) and not isinstance(error, EncodeError):
            # The reader has left, or the link is closed: no matter of the generator's.
            self.begin_stop()
        return None if self.is_stopping else refused_value(error)

    def _after_head(self, value: object) -> ServerSentEvent:
        """Send the head before the first event, which is returned; a value that is none sends nothing."""
        event = read(value)
        self._send_head()
        return event

    def _send_head(self) -> None:
        """Send the response headers, before the first event."""
        if self._has_head:
            return
        self._has_head = True
        headers = self.request.take_headers()
        if not headers:
            return
        self.producer.head(json.dumps({"headers": headers}))
        waited = time.monotonic() - self._begun_at
        if waited > HEAD_TIMEOUT:
            self.origin.tell(
                f"{self.title}: the headers {', '.join(headers)} were set but not sent: the head of a response waits "
                f"{HEAD_TIMEOUT:g} s for the first event, which came after {waited:.1f} s."
            )

    # The end.

    def finish(self, error: BaseException | None) -> None:
        """Tell the reader, then run what is to run afterwards."""
        if not self._say_end(error):
            self._run_background()
        self._leave()

    async def finish_in_task(self, error: BaseException | None) -> None:
        """Do the same without blocking the loop."""
        if not self._say_end(error) and self.background is not None:
            try:
                await self.background.run_in_task()
            except BaseException as raised:  # noqa: BLE001 - whatever it is, it goes to the cell
                self._show(raised)
        self._leave()

    def refuse(self, error: HTTPError) -> None:
        """Turn the reader away before its generator is made."""
        self._end_producer("refused", error)
        self._leave()

    def give_up_reader(self) -> None:
        """End the producer after ``hand_over``, where the reader has a new one."""
        self.producer.end("stopped")

    def _say_end(self, error: BaseException | None) -> bool:
        """Tell cell and reader that the generator has ended; say whether it had been left behind."""
        with self._lock:
            self._is_ended = True
            self.error = error
            is_late = self._is_abandoned
        is_refusal = isinstance(error, HTTPError) and not self.is_stopping
        if error is not None and not is_refusal:
            self._show(error)
        if not is_late:
            stopped = "stopped" if self.is_stopping else "done"
            self._end_producer("refused" if is_refusal else stopped if error is None else "error", error)
        return is_late

    def _end_producer(self, reason: str, error: BaseException | None) -> None:
        self._client.release(self.producer)
        self.is_over = True
        if self._is_replaced:
            return
        if reason == "refused":
            self.producer.end(reason, json.dumps(self._describe_refusal(error)))
            return
        try:
            self._send_head()
        except SSEError:
            # The link is closed, or the reader has left.
            return
        self.producer.end(reason, None if error is None else json.dumps(failure.describe(error)))

    def _describe_refusal(self, error: HTTPError) -> dict[str, Any]:
        """Return what the server is told of a refusal."""
        headers = {}
        for name, value in error.headers.items():
            try:
                headers.update([checked_header(name, value)])
            except ValueError as wrong:
                self.origin.tell(f"{self.title}: {wrong}; the refusal goes without it")
        message = error.message or _phrase(error.status)
        return {"type": type(error).__name__, "message": message, "status": error.status, "headers": headers}

    def _show(self, error: BaseException) -> None:
        failure.prepare(error)
        if isinstance(error, RuntimeError) and "ignored GeneratorExit" in str(error):
            error.add_note(
                "The reader has left: nobody gets what is yielded then. Tell others through what they read, such as "
                'sse.stream("news").send(…) or a list that their generators look at.'
            )
        self._host.show_error(error)

    def _abandoned(self) -> None:
        self._end_producer("stopped", None)
        self.origin.run(self._run_background)
        self._leave()

    def _run_background(self) -> None:
        if self.background is None:
            return
        try:
            self.background.run()
        except BaseException as raised:  # noqa: BLE001 - as above
            self._show(raised)

    def _leave(self) -> None:
        self._host.left(self)
        self._is_settled.set()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"
