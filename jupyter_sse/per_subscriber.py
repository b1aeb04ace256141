"""``@per_subscriber``: a generator function of which every reader gets a run of their own."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

from jupyter_sse.arguments import Arguments
from jupyter_sse.client import client, current_client
from jupyter_sse.options import stream_options
from jupyter_sse.origin import Origin
from jupyter_sse.pattern import family, parameter_names
from jupyter_sse.route import Route
from jupyter_sse.start import LOOPS, chosen_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from jupyter_sse.client import Client
    from jupyter_sse.request import Request


def per_subscriber(
    pattern: str,
    *,
    ping_interval: float | None = None,
    background: Callable[..., Any] | None = None,
    loop: str = "own",
) -> Callable[[Callable[..., Any]], PerSubscriber]:
    """Decorate a generator function: whoever reads an address of the pattern gets a run of it.

    A parameter of the path is passed to the function by its name, as what its annotation says: ``int``, ``float``,
    ``bool``, ``UUID``, ``datetime``, ``date``, ``Decimal``, ``PurePosixPath``, an ``Enum``, a ``Literal`` or a union
    of them; text without one. What cannot be read as that is answered 400. A parameter ``request`` gets the
    ``Request``. Other parameters without a default are given by calling what was decorated; until then there is no
    route. Running the cell again replaces the function, and those who read get a run of the new one.

        @sse.per_subscriber("users/{user_id}", ping_interval=30)
        async def user(user_id: int, request):
            while True:
                for update in updates_of(user_id):
                    yield {"event": "update", "data": update}
                await asyncio.sleep(5)

    The generator rests while its reader has 64 KiB to read. It is closed when the reader leaves; its ``finally`` runs.

    Args:
        pattern: segments as in a stream's name, each of which may be ``{parameter}``.
        ping_interval: seconds of silence after which the reader is written a keep-alive.
        background: called after each run, however it ended: by name with those of its arguments that it takes; plain
            (in a thread) or async.
        loop: where an async generator runs: "own" (jupyter_sse's loop) or "main" (the kernel's).

    Raises:
        StreamNameError: it is no pattern.
        OwnedError: another kernel has this pattern.
        TypeError: what is decorated is no generator function, or it or ``background`` has not the right parameters.
        ValueError: an option is wrong.
    """
    if callable(pattern):
        raise TypeError(
            f'@per_subscriber: expected a pattern, as in @sse.per_subscriber("users/{{user_id}}"), got {pattern!r}'
        )
    names = parameter_names(pattern)
    stream_options(ping_interval=ping_interval)
    if loop not in LOOPS:
        raise ValueError(f"loop: expected one of {', '.join(LOOPS)}, got {loop!r}")

    def decorate(function: Callable[..., Any]) -> PerSubscriber:
        made = PerSubscriber(function, pattern, names, ping_interval=ping_interval, background=background, loop=loop)
        if not made.missing:
            made()
        return made

    return decorate


class PerSubscriber:
    """A generator function that serves the readers of a pattern. Calling it opens the route, or replaces it.

    Attributes:
        pattern: of the addresses.
        missing: the function's parameters that a call has to give before there is a route.

    Threads: every method may be called from any thread.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        pattern: str,
        names: tuple[str, ...],
        *,
        ping_interval: float | None,
        background: Callable[..., Any] | None,
        loop: str,
    ) -> None:
        self._is_async = inspect.isasyncgenfunction(function)
        if isinstance(function, staticmethod | classmethod):
            kind = type(function).__name__
            raise TypeError(
                f"@per_subscriber({pattern!r}): expected a function with a yield, got a {kind}; write @{kind} above "
                "@per_subscriber"
            )
        if not self._is_async and not inspect.isgeneratorfunction(function):
            raise TypeError(f"@per_subscriber({pattern!r}): expected a function with a yield, got {function!r}")
        if loop == "main" and not self._is_async:
            raise ValueError("loop: expected an async function for 'main', got a plain generator; leave it out")
        functools.update_wrapper(self, function)
        self.pattern = pattern
        self._function = function
        self._names = names
        self._ping_interval = ping_interval
        self._background = background
        self._loop = loop
        arguments = Arguments(function, names)
        self.missing = tuple(arguments.missing)
        if background is not None:
            arguments.check_background(background)

    def __call__(self, *positional: Any, **named: Any) -> PerSubscriber:
        """Open the route; where there is one of this pattern already, its readers stay and get a run of this function.

        Args:
            positional: what every run is called with, besides the path's parameters and the request.
            named: likewise.

        Raises:
            TypeError: the function does not take these, or still lacks some.
            OwnedError: another kernel has this pattern.
        """
        arguments = Arguments(self._function, self._names, positional, named)
        if arguments.missing:
            raise TypeError(
                f"{self._function.__qualname__}: expected arguments for {', '.join(arguments.missing)}, got none"
            )
        here = client()
        origin = Origin.here()
        here.announce(origin)
        route = Route(
            here,
            self.pattern,
            arguments,
            origin,
            loop=self._chosen_loop(here) if self._is_async else None,
            background=self._background,
            ping_interval=self._ping_interval,
        )
        route.open()
        if origin.shell is not None:
            from jupyter_sse.route_view import RouteView

            route.view = RouteView(here, route)
            route.view.show()
        return self

    def __get__(self, instance: object, owner: type | None = None) -> PerSubscriber:
        """Return what serves the same pattern with the method of one object."""
        if instance is None:
            return self
        bound = copy.copy(self)
        bound._function = bound.__wrapped__ = types.MethodType(self._function, instance)
        bound.missing = tuple(Arguments(bound._function, self._names).missing)
        return bound

    @property
    def visits(self) -> tuple[Request, ...]:
        """What those who read now have asked for, who came first stands first."""
        route = self._route()
        return () if route is None else route.requests

    @property
    def url(self) -> str | None:
        """The pattern of the addresses; None where there is no server."""
        return client().stream_url(self.pattern)

    @property
    def is_open(self) -> bool:
        """Readers can come."""
        route = self._route()
        return route is not None and route.is_open

    def stop(self) -> None:
        """Take no more readers, end the runs of those that read, and wait until their ``finally`` has run."""
        route = self._route()
        if route is not None:
            route.stop()

    def _route(self) -> Route | None:
        here = current_client()
        return None if here is None else here.routes.get(family(self.pattern))

    def _chosen_loop(self, here: Client) -> Callable[[], asyncio.AbstractEventLoop]:
        if self._loop == "own":
            # Another one takes its place where something blocks it.
            return here.loop_thread.loop
        loop = chosen_loop(here, self._loop)
        return lambda: loop

    def __repr__(self) -> str:
        state = f"{len(self.visits):,} reading" if self.is_open else "not open"
        return f"<PerSubscriber {self.pattern!r} of {self._function.__qualname__}, {state}>"
