"""What the handlers share: the hub, the bounds on who may come in, the counters of what was done."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_sse.server.refusal import RETRY_AFTER, Refusal

if TYPE_CHECKING:
    from jupyter_sse._rust import Hub
    from jupyter_sse.server.identity import StreamTokenAuthorizer, StreamTokenIdentity
    from jupyter_sse.server.portable import PortableSockets
    from jupyter_sse.server.visit import Arrivals


@dataclass
class Counts:
    """What the handlers have done since the server started."""

    handed_over: int = 0
    portable: int = 0
    published: int = 0
    refused: Counter[int] = field(default_factory=Counter)

    def refuse(self, status: int) -> None:
        """Count an answer that said no."""
        self.refused[status] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the counters, refusals by status."""
        return {
            "handed_over": self.handed_over,
            "portable": self.portable,
            "published": self.published,
            "refused": {str(status): count for status, count in sorted(self.refused.items())},
        }


@dataclass(frozen=True)
class Bounds:
    """How many readers may be connected.

    Attributes:
        connections: The most at one time; newcomers beyond it get 503.
        connections_per_user: The most of one user; 0: no bound. Newcomers beyond it get 429. Twice as many may come
            back, for those whom a lost network disconnected are counted until they are missed; not any number, as
            anybody can say that he was here before.
        connections_per_address: The same for one address.
        returning: How many more than ``connections`` may come back: who was in once is let in again, as an
            EventSource that is refused gives up for good. Descriptors are finite, hence this bound.
        post_bytes: The largest body of a POST; ``None``: any.
    """

    connections: int
    connections_per_user: int = 0
    connections_per_address: int = 0
    returning: int = 500
    post_bytes: int | None = None


@dataclass
class Service:
    """One for each server, made by the app and handed to every handler."""

    hub: Hub
    bounds: Bounds
    portable: PortableSockets
    arrivals: Arrivals
    token_identity: StreamTokenIdentity
    token_authorizer: StreamTokenAuthorizer
    hand_over: bool = True
    readers_are_activity: bool = False
    counts: Counts = field(default_factory=Counts)

    def check_room(self, user: str, address: str, is_returning: bool) -> None:
        """Refuse a reader for whom there is no room.

        Raises:
            Refusal: 503 or 429, with ``Retry-After``.
        """
        room = self.bounds.connections + (self.bounds.returning if is_returning else 0)
        connected = self.hub.connections()
        if connected >= room:
            raise Refusal(
                503,
                f"expected fewer than {room} connected readers, got {connected}; ask again later, or raise "
                "SSEApp.max_connections",
                "limit",
                RETRY_AFTER,
            )
        factor = 2 if is_returning else 1
        check_share("user", self.hub.connections(user), factor * self.bounds.connections_per_user)
        check_share("address", self.hub.connections_from(address), factor * self.bounds.connections_per_address)

    def metrics(self) -> dict[str, Any]:
        """Return the counters of the hub and of the handlers."""
        bounds = {"max_connections": self.bounds.connections}
        return {**json.loads(self.hub.metrics()), **bounds, "http": self.counts.as_json()}


def check_share(whose: str, connected: int, most: int) -> None:
    """Refuse a reader beyond the share of one user or address; 0 is no bound.

    Raises:
        Refusal: 429, with ``Retry-After``.
    """
    if most and connected >= most:
        raise Refusal(
            429,
            f"expected at most {most} connected readers of one {whose}, got one more; close another, read several "
            f"streams over one connection (<base>/sse?stream=a&stream=b), or raise SSEApp.max_connections_per_{whose}",
            "limit",
            RETRY_AFTER,
        )
