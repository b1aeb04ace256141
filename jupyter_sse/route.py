"""Routes: a pattern of addresses, each reader of which gets a run of a generator function of its own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from jupyter_sse import failure
from jupyter_sse.background import Background
from jupyter_sse.error import HTTPError, ReaderGoneError
from jupyter_sse.life import stop_all
from jupyter_sse.pattern import family
from jupyter_sse.request import Request
from jupyter_sse.task_driver import TaskDriver
from jupyter_sse.thread_driver import ThreadDriver
from jupyter_sse.visit import Visit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from jupyter_sse._rust import Producer
    from jupyter_sse.arguments import Arguments
    from jupyter_sse.client import Client
    from jupyter_sse.origin import Origin
    from jupyter_sse.route_view import RouteView

MOST_THREADS = 500
"""Plain generators that run at a time in a process, each in a thread."""

MOST_TASKS = 10_000
"""Async generators that run at a time in a process."""

RETRY_AFTER = 5
"""Seconds after which a reader for whom there was no room may ask again."""

MOST_SHOWN_ERRORS = 10
"""Tracebacks of a route that are shown below its cell."""


class Route:
    """A pattern that this process serves, and the readers it has.

    Args:
        client: of this process.
        pattern: such as ``users/{user_id}``.
        arguments: how the generator function is called.
        origin: the cell.
        loop: where async generators run: gives the loop; None where the generators are plain.
        background: what is called after each visit.
        ping_interval: seconds of silence after which readers are written a keep-alive.

    Attributes:
        family: the pattern, whatever its parameters are called.
        view: what the cell shows of it.

    Threads: every method may be called from any thread.
    """

    def __init__(
        self,
        client: Client,
        pattern: str,
        arguments: Arguments,
        origin: Origin,
        *,
        loop: Callable[[], asyncio.AbstractEventLoop] | None,
        background: Callable[..., Any] | None,
        ping_interval: float | None,
    ) -> None:
        self.pattern = pattern
        self.family = family(pattern)
        self.origin = origin
        self.view: RouteView | None = None
        self._client = client
        self._arguments = arguments
        self._loop = loop
        self._background = background
        self._ping_interval = ping_interval
        self._producer: Producer | None = None
        # Guards what follows. No code of the user's runs under it.
        self._lock = threading.Lock()
        self._visits: dict[int, Visit] = {}
        self._is_closed = False
        self._shown_errors = 0

    def open(self) -> None:
        """Let readers come, in place of an earlier route of the same addresses, whose readers stay.

        Raises:
            OwnedError: another kernel has this pattern.
        """
        predecessor = self._client.routes.get(self.family)
        left_over = [] if predecessor is None else predecessor._hand_over()
        options = {"ping_interval": self._ping_interval, "origin": self.origin.text}
        try:
            self._producer = self._client.open(self.pattern, "route", options, self)
        finally:
            if predecessor is not None:
                predecessor._give_up(left_over)
        self._client.routes[self.family] = self

    def stop(self) -> None:
        """Take no more readers, and end the generators of those that read; wait until their ``finally`` has run."""
        self.close()
        stop_all(self.lives)
        self.leave()

    def close(self) -> None:
        """Turn away whoever comes from now on. Does not wait."""
        with self._lock:
            self._is_closed = True

    def leave(self) -> None:
        """Take the route away, after ``close``."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._client.release(producer)
            producer.end("stopped")
        if self._client.routes.get(self.family) is self:
            del self._client.routes[self.family]
        if self.view is not None:
            self.view.close()

    @property
    def lives(self) -> list[Visit]:
        """All visits that are not over, or whose background function still runs."""
        with self._lock:
            return list(self._visits.values())

    @property
    def requests(self) -> tuple[Request, ...]:
        """What those who read now have asked for, who came first stands first."""
        return tuple(visit.request for visit in self.lives if not visit.is_over)

    @property
    def is_async(self) -> bool:
        """The generators are tasks of an event loop."""
        return self._loop is not None

    @property
    def is_open(self) -> bool:
        """Readers can come."""
        return not self._is_closed

    # What the client passes on.

    def begin(self, number: int, text: str) -> None:
        """Called by the client: a reader has come.

        Args:
            number: of the visit.
            text: what the reader asked for, JSON.
        """
        request = Request.from_json(text)
        visit = Visit(self._client, self, request, {})
        options = {"visit": number, "ping_interval": self._ping_interval}
        try:
            # Without waiting for the hub's word: what the client has to pass on to others must not wait either.
            visit.producer = self._client.open(request.path, "visit", options, visit, timeout=0.0)
        except ReaderGoneError:
            return
        with self._lock:
            self._visits[number] = visit
        try:
            self._check_room()
            visit.arguments = self._arguments.read(request)
        except HTTPError as error:
            visit.refuse(error)
            return
        self._launch(visit)

    def stop_requested(self) -> None:
        """Called by the client: somebody wants the route to end."""
        threading.Thread(target=self.stop, name=f"jupyter_sse stop {self.pattern}", daemon=True).start()

    def refused(self, message: str) -> None:
        """Called by the client: the hub does not take the route after all."""
        self.origin.tell(f"The route {self.pattern!r} is refused: {message}")
        self.stop_requested()

    def process_ends(self) -> None:
        """Called by the client: this process is about to end."""
        self.stop()

    def forked(self) -> None:
        """Called in a forked child: readers are the parent's."""

    # What visits call.

    def make(self, visit: Visit) -> Any:
        """Make the generator for a reader."""
        return self._arguments.call(visit.arguments)

    def left(self, visit: Visit) -> None:
        """A visit is over."""
        with self._lock:
            self._visits = {number: one for number, one in self._visits.items() if one is not visit}
        self._show_count()

    def show_error(self, error: BaseException) -> None:
        """Show an error below the cell; where many have been shown, log it."""
        with self._lock:
            self._shown_errors += 1
            shown = self._shown_errors
        if shown <= MOST_SHOWN_ERRORS:
            failure.show(error, self.origin)
        if shown == MOST_SHOWN_ERRORS:
            self.origin.tell(
                f"{self.pattern}: {shown} errors are shown; further ones go to the logger 'jupyter_sse', at level INFO."
            )
        elif shown > MOST_SHOWN_ERRORS:
            # Of a higher level it would be printed below the cell where nobody has set up logging.
            logging.getLogger("jupyter_sse").info("%s: error %d", self.pattern, shown, exc_info=error)

    def _launch(self, visit: Visit) -> None:
        if self._background is not None:
            arguments = self._arguments.of_background(self._background, visit.arguments, visit.request)
            visit.background = Background(self._background, arguments, self.origin, self._client.loop_thread)
        if self._loop is None:
            visit.driver = ThreadDriver(visit, f"jupyter_sse {visit.request.path}")
        else:
            visit.driver = TaskDriver(visit, self._loop(), self._client.loop_thread)
        try:
            visit.launch()
        except RuntimeError as error:
            visit.refuse(_no_room(f"the kernel can start nothing more ({error})"))
            return
        self._show_count()

    def _check_room(self) -> None:
        """Say that there is no room where there is none.

        Raises:
            HTTPError: 503; 404 where the route is being taken away.
        """
        if self._is_closed:
            raise HTTPError(404, f"{self.pattern} has just been stopped")
        alike = [route for route in self._client.routes.values() if route.is_async == self.is_async]
        most = MOST_TASKS if self.is_async else MOST_THREADS
        if sum(len(route.lives) for route in alike) > most:
            raise _no_room(f"the kernel serves {most} readers already")

    def _hand_over(self) -> list[Visit]:
        """Stop for a route that replaces this one; return the visits whose readers stay."""
        self.close()
        visits = self.lives
        for visit in visits:
            visit.hand_over()
        stop_all(visits)
        return visits

    def _give_up(self, visits: list[Visit]) -> None:
        for visit in visits:
            visit.give_up_reader()
        self.leave()

    def _show_count(self) -> None:
        if self.view is not None:
            self.view.changed()


def _no_room(message: str) -> HTTPError:
    return HTTPError(503, message, {"Retry-After": RETRY_AFTER})
