"""``@broadcast``: one run of a generator function, shared by all who read its stream."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

from jupyter_sse._rust import check_name
from jupyter_sse.client import client
from jupyter_sse.options import StreamOptions, stream_options
from jupyter_sse.origin import Origin
from jupyter_sse.start import start_run
from jupyter_sse.subscribe import subscribe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from jupyter_sse._rust import ServerSentEvent
    from jupyter_sse.run import Run
    from jupyter_sse.stream import Stream


def broadcast(
    name: str,
    *,
    history: int | Mapping[str, float] | None = None,
    ping_interval: float | None = None,
    view: str | bool | None = None,
    x: str | None = None,
    y: str | Iterable[str] | None = None,
    window: str | None = None,
    loop: str = "own",
) -> Callable[[Callable[..., Any]], Broadcast]:
    """Decorate a generator function: what it yields is a stream, whoever and however many read it.

    A function that can be called without arguments starts at once; else the first call starts it. Each call is a new
    run of the stream, and ends the one before: of a method too, whichever object it is called on. In a notebook the
    cell shows the view.

        @sse.broadcast("cpu")
        def cpu():
            while True:
                yield psutil.cpu_percent(interval=1)

    Args:
        name: of the stream.
        history: as for ``jupyter_sse.stream``.
        ping_interval: likewise.
        view: likewise; False shows none.
        x: likewise.
        y: likewise.
        window: likewise.
        loop: where an async generator runs: "own" (jupyter_sse's loop) or "main" (the kernel's).

    Raises:
        StreamNameError: no stream can have this name.
        OwnedError: another kernel owns the stream's run.
        TypeError: what is decorated is no generator function.
        ValueError: an option is wrong.
    """
    if callable(name):
        raise TypeError(f'@broadcast: expected the name of a stream, as in @sse.broadcast("cpu"), got {name!r}')
    check_name(name)
    options = stream_options(
        history=history,
        ping_interval=ping_interval,
        view=view if isinstance(view, str) else None,
        x=x,
        y=y,
        window=window,
        origin=Origin.here(),
    )
    shows = view is not False

    def decorate(function: Callable[..., Any]) -> Broadcast:
        made = Broadcast(function, name, options, loop=loop, shows=shows)
        if _needs_no_argument(function):
            made()
        return made

    return decorate


class Broadcast:
    """A generator function that feeds a stream. Calling it starts a new run.

    Attributes:
        name: of the stream.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, options: StreamOptions, *, loop: str, shows: bool
    ) -> None:
        self._is_async = inspect.isasyncgenfunction(function)
        if isinstance(function, staticmethod | classmethod):
            kind = type(function).__name__
            raise TypeError(
                f"@broadcast({name!r}): expected a function with a yield, got a {kind}; write @{kind} above @broadcast"
            )
        if not self._is_async and not inspect.isgeneratorfunction(function):
            raise TypeError(
                f"@broadcast({name!r}): expected a function with a yield, got {function!r}; a function that returns an "
                "iterable can be sent with sse.stream(name).send_all(…)"
            )
        functools.update_wrapper(self, function)
        self.name = name
        self._function = function
        self._options = options
        self._loop = loop
        self._shows = shows

    def __call__(self, *arguments: Any, **named: Any) -> Broadcast:
        """Start a new run; wait for its first yield, for a second at most.

        Raises:
            TypeError: the function does not take these arguments; no run has started or ended.
            OwnedError: another kernel owns the stream's run.
            BaseException: what the generator raised in that time.
        """
        origin = Origin.here()
        run = start_run(
            self.name,
            _CallSource(self._function(*arguments, **named)),
            is_async=self._is_async,
            loop=self._loop,
            options=self._options,
            origin=origin,
            shows=self._shows and origin.shell is not None,
        )
        run.wait_for_first()
        return self

    def __get__(self, instance: object, owner: type | None = None) -> Broadcast:
        """Return what feeds the same stream with the method of one object."""
        if instance is None:
            return self
        bound = copy.copy(self)
        bound._function = bound.__wrapped__ = types.MethodType(self._function, instance)
        return bound

    @property
    def stream(self) -> Stream:
        """The stream, to look at it."""
        from jupyter_sse.stream import stream

        return stream(self.name)

    def __iter__(self) -> Iterator[ServerSentEvent]:
        """Read the stream, as ``subscribe`` does."""
        return iter(subscribe(self.name))

    def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        """Read the stream, as ``subscribe`` does."""
        return aiter(subscribe(self.name))

    def stop(self) -> None:
        """Stop the run, and wait until the generator's ``finally`` has run."""
        run = self._run()
        if run is not None:
            run.stop()

    @property
    def is_running(self) -> bool:
        """The generator has not ended."""
        return self._run() is not None

    def _run(self) -> Run | None:
        return client().runs.get(self.name)

    def __repr__(self) -> str:
        return f"<Broadcast {self.name!r} of {self._function.__qualname__}>"


class _CallSource:
    """A call of a generator function, which has not run any of its code yet."""

    def __init__(self, generator: object) -> None:
        self._generator = generator

    def make(self) -> tuple[Any, None]:
        return self._generator, None


def _needs_no_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    return True
