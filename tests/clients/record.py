"""What a program has got of a stream, whichever program it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Received(NamedTuple):
    """One event as the program tells it: its type, the last event ID after it, its data."""

    type: str
    id: str
    data: str


@dataclass
class Record:
    """What one program has got so far.

    Attributes:
        events: In the order in which they came.
        connections: How often the program was let in.
        is_over: It has stopped by itself, and will not come back.
    """

    events: list[Received] = field(default_factory=list)
    connections: int = 0
    is_over: bool = False

    def numbers(self) -> list[int]:
        """Return the values of the producer's events."""
        return [int(event.data) for event in list(self.events) if event.type == "message"]

    def last_number(self) -> int:
        """Return the value of the newest of them; 0: there is none."""
        return max(self.numbers(), default=0)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of the control events of one type."""
        return [json.loads(event.data) for event in list(self.events) if event.type == kind]
