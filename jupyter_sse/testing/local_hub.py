"""A hub for one test, in this process."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_sse.client import Client, exchange_client
from jupyter_sse.error import UnknownStreamError
from jupyter_sse.place import KERNEL_VARIABLE, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count(1)


class LocalHub:
    """What a test can ask of the hub that it has to itself. Made by ``hub``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def streams(self) -> list[dict[str, Any]]:
        """Return all streams, as ``GET <base>/api/sse/streams`` does."""
        self._client.link.flush()
        return self._client.request("list").body

    def stream(self, name: str) -> dict[str, Any]:
        """Return what the hub knows of a stream once it has everything that was sent.

        Raises:
            UnknownStreamError: there is none of this name.
        """
        self._client.link.flush()
        answer = self._client.request("stream", name=name)
        if answer.status != 200:
            raise UnknownStreamError(answer.body["message"])
        return answer.body


@contextmanager
def hub(**options: Any) -> Iterator[LocalHub]:
    """Give this process a hub of its own, in it, for as long as the context lasts.

    ``sse.stream``, ``@sse.broadcast``, ``sse.track`` and ``sse.subscribe`` by name work with it, as they would with
    that of a Jupyter server, and nothing of what was before, or comes after, is seen. At the end all runs are
    stopped, their ``finally`` included.

    What was started before, such as by an ``@sse.broadcast`` of a module that was imported, goes on where it was: call
    it to start it here.

    Args:
        options: of the hub, such as ``history_events``, ``history_bytes``, ``max_event_bytes``, ``ping_interval``: what
            the extension's settings of these names mean.

    Threads: one test at a time; it holds for all threads, and child processes, of this process.
    """
    label = f"test-{next(_numbers)}"
    environment = os.environ.get(KERNEL_VARIABLE)
    client = Client(Place(None, f"pid-{os.getpid()}-{label}", label, label), options)
    client.has_announced = True
    before = exchange_client(client)
    try:
        yield LocalHub(client)
    finally:
        client.close()
        exchange_client(before)
        if environment is not None:
            os.environ[KERNEL_VARIABLE] = environment
