"""What this process sends to a stream by ``Stream.send``: opened at the first event, until somebody ends it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from jupyter_sse._rust import read
from jupyter_sse.client import client
from jupyter_sse.error import OwnedError, StreamEndedError

if TYPE_CHECKING:
    from jupyter_sse._rust import Producer
    from jupyter_sse.options import StreamOptions
    from jupyter_sse.origin import Origin


class Feed:
    """One ``Stream`` object's producer, and the client's ``Owner`` of it.

    Attributes:
        put: takes a value and the fields that are given beside it. It is ``Producer.send`` while the stream is open,
            so that an event looks for nothing else on its way.
        options: with which the stream is opened.
        origin: where it was asked for.

    Threads: every method may be called from any thread.
    """

    def __init__(self, name: str, options: StreamOptions, origin: Origin) -> None:
        self.options = options
        self.origin = origin
        self.put = self._open_and_put
        self._name = name
        self._producer: Producer | None = None
        self._is_over = ""
        self._error: OwnedError | None = None
        # Guards the opening of the producer, so that threads that send at the same time open one.
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open the stream, if it is not open.

        Raises:
            StreamEndedError: it was closed here, or somebody stopped it.
            OwnedError: a run of another kernel feeds it.
        """
        with self._lock:
            if self._is_over:
                raise StreamEndedError(
                    f"The stream {self._name!r} {self._is_over}; sse.stream({self._name!r}) starts a new run of it."
                )
            if self._error is not None:
                raise self._error
            if self._producer is None:
                self._producer = client().open(self._name, "send", self.options.as_json(), self)
                self.put = self._producer.send

    def close(self) -> None:
        """Say that this process has nothing more to send."""
        self._leave("done", "was closed")

    def stop_requested(self) -> None:
        """Called by the client: somebody wants this stream to end."""
        self._leave("stopped", "was stopped")

    def refused(self, message: str) -> None:
        """Called by the client: the hub does not take our events."""
        with self._lock:
            self._error = OwnedError(message)
            producer = self._forget_producer()
        if producer is not None:
            client().release(producer)
        client().streams.pop(self._name, None)

    def process_ends(self) -> None:
        """Called by the client: this process has nothing more to send."""
        self.close()

    def forked(self) -> None:
        """Called by the client in a forked child: what is open belongs to the parent."""
        self._lock = threading.Lock()
        self._forget_producer()

    def _open_and_put(self, value: object, *fields: Any) -> None:
        # What is refused opens nothing.
        event = read(value)
        self.open()
        self.put(event, *fields)

    def _leave(self, reason: str, what: str) -> None:
        with self._lock:
            self._is_over = what
            producer = self._forget_producer()
        if producer is not None:
            client().release(producer)
            producer.end(reason)
        client().streams.pop(self._name, None)

    def _forget_producer(self) -> Producer | None:
        producer, self._producer = self._producer, None
        self.put = self._open_and_put
        return producer
