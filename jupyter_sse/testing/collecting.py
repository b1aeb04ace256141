"""Collecting the first events of whatever makes them."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from jupyter_sse._rust import Decoder, ServerSentEvent, encode
from jupyter_sse.broadcast import Broadcast
from jupyter_sse.error import SSEError
from jupyter_sse.failure import refused_value
from jupyter_sse.stream import Stream
from jupyter_sse.subscribe import Subscription, subscribe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

DEFAULT_TIMEOUT = 10.0


class TooFewEventsError(SSEError, TimeoutError):
    """Fewer events came in time than were expected.

    Attributes:
        events: What came.
    """

    def __init__(self, message: str, events: list[ServerSentEvent]) -> None:
        super().__init__(message)
        self.events = events


def collect(
    source: Any, count: int | None = None, *, timeout: float = DEFAULT_TIMEOUT, **options: Any
) -> list[ServerSentEvent]:
    """Return the first events of a source, as its readers get them: encoded and decoded again.

    A generator is then closed, its ``finally`` included; a connection too.

    Args:
        source: a generator or a generator function that needs no argument, each plain or async; the name of a stream or
            the address of one; what ``sse.subscribe``, ``sse.stream`` or ``@sse.broadcast`` have made; any iterable.
        count: how many events; None: all, until the source's end.
        timeout: seconds within which they have to come.
        options: for a name or an address: as ``sse.subscribe`` takes them, such as ``last_event_id`` and ``token``.

    Returns:
        At most ``count`` events, in order: fewer where the source ended before.

    Raises:
        TooFewEventsError: the time was over; a ``TimeoutError`` that shows what came.
        Exception: what the source raised.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(acollect(source, count, timeout=timeout, **options))
    raise RuntimeError("collect: expected to be called outside of event loops, got a running one; await acollect(…)")


async def acollect(
    source: Any, count: int | None = None, *, timeout: float = DEFAULT_TIMEOUT, **options: Any
) -> list[ServerSentEvent]:
    """Do what ``collect`` does, in the running event loop, where an async generator runs too."""
    events: list[ServerSentEvent] = []
    if count is not None and count <= 0:
        return events
    found = _opened(source, options)
    reader = _Reader(events, count)
    try:
        async with asyncio.timeout(timeout) as limit:
            if isinstance(found, Subscription):
                await _take_events(found, reader)
            elif hasattr(found, "__aiter__"):
                await _take_values(aiter(found), reader)
            else:
                await _take_in_thread(iter(found), reader)
    except TimeoutError:
        if not limit.expired():
            raise
        expected = "the end" if count is None else f"{count} events"
        message = f"expected {expected} within {timeout:g} s, got {len(events)} events: {_shown(events)}"
        raise TooFewEventsError(message, list(events)) from None
    return events


def _opened(source: Any, options: dict[str, Any]) -> Any:
    """Return what can be iterated over."""
    if isinstance(source, str):
        return subscribe(source, **options)
    if options:
        raise TypeError(f"collect: expected {', '.join(options)} with a name or an address, got {source!r:.80}")
    if isinstance(source, Stream | Broadcast):
        return subscribe(source.name)
    if not hasattr(source, "__iter__") and not hasattr(source, "__aiter__") and callable(source):
        source = source()
    if not hasattr(source, "__iter__") and not hasattr(source, "__aiter__"):
        raise TypeError(f"collect: expected a generator, a name, an address or an iterable, got {source!r:.80}")
    return source


def _shown(events: list[ServerSentEvent]) -> str:
    shown = ", ".join(repr(event) for event in events[:5])
    return f"[{shown[:1000]}{', …' if len(events) > 5 or len(shown) > 1000 else ''}]"


class _Reader:
    """Reads values as events, as the readers of a stream do."""

    def __init__(self, events: list[ServerSentEvent], count: int | None) -> None:
        self.events = events
        self._count = count
        self._decoder = Decoder()

    @property
    def has_all(self) -> bool:
        return self._count is not None and len(self.events) >= self._count

    def read(self, value: object) -> None:
        self.events += self._decoder.feed(encode(value))


async def _take_events(source: Subscription, reader: _Reader) -> None:
    async with aclosing(aiter(source)) as events:
        async for event in events:
            reader.events.append(event)
            if reader.has_all:
                return


async def _take_values(source: AsyncIterator[object], reader: _Reader) -> None:
    refusal: Exception | None = None
    try:
        while not reader.has_all:
            try:
                value = await (anext(source) if refusal is None else source.athrow(refusal))
            except StopAsyncIteration:
                return
            refusal = None
            try:
                reader.read(value)
            except SSEError as raised:
                # The generator hears of it, at the line that yielded, as it would in a stream.
                if not hasattr(source, "athrow"):
                    raise
                refusal = refused_value(raised)
    finally:
        if hasattr(source, "aclose"):
            await source.aclose()


async def _take_in_thread(source: Iterator[object], reader: _Reader) -> None:
    """Take values in a thread, for a plain generator may wait for ever; it is closed at its next yield then."""
    loop = asyncio.get_running_loop()
    taken: asyncio.Future[None] = loop.create_future()
    is_given_up = threading.Event()

    def take() -> None:
        error: BaseException | None = None
        try:
            _take_plain(source, reader, is_given_up)
        except BaseException as raised:  # noqa: BLE001 - whatever it is, the test hears of it
            error = raised
        with suppress(RuntimeError):
            # The loop of a test that has given up is closed.
            loop.call_soon_threadsafe(settle, error)

    def settle(error: BaseException | None) -> None:
        if taken.done():
            return
        if error is None:
            taken.set_result(None)
        else:
            taken.set_exception(error)

    threading.Thread(target=take, name="jupyter_sse collect", daemon=True).start()
    try:
        await taken
    finally:
        is_given_up.set()


def _take_plain(source: Iterator[object], reader: _Reader, is_given_up: threading.Event) -> None:
    refusal: Exception | None = None
    try:
        while not reader.has_all:
            try:
                value = next(source) if refusal is None else source.throw(refusal)
            except StopIteration:
                return
            if is_given_up.is_set():
                return
            refusal = None
            try:
                reader.read(value)
            except SSEError as raised:
                if not hasattr(source, "throw"):
                    raise
                refusal = refused_value(raised)
    finally:
        if hasattr(source, "close"):
            source.close()
