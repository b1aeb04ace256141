"""What the peers written in Python share: a queue for each subscriber, filled on the schedule. No packages."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.schedule import Schedule, publish

if TYPE_CHECKING:
    from collections.abc import Iterator


class Subscribers:
    """The queues of all who read now. Everything on one event loop."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str]] = set()

    @contextmanager
    def queue(self) -> Iterator[asyncio.Queue[str]]:
        """Give the queue of one more subscriber."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def put(self, text: str) -> None:
        """Give an event's data to everybody."""
        for queue in self._queues:
            queue.put_nowait(text)

    async def publish(self, order: str) -> dict[str, Any]:
        """Publish as an order says; see :class:`benchmarks.schedule.Schedule`."""
        return await publish(Schedule.of(order), self.put)
