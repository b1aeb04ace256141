"""What :mod:`benchmarks.side_by_side` lets both yield: one generator, word for word the same on either side.

No packages: it is imported by the peer as well.
"""

from __future__ import annotations

import asyncio
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NOTES = "SSE_BENCH_NOTES"
"""The environment's variable that names the folder of the notes."""


@dataclass(frozen=True)
class Case:
    """One generator and what is done with its stream.

    Attributes:
        name: Of the stream.
        title: What is looked at.
        code: The body of the generator function; ``note(text)`` tells the program that watches.
        act: How its reader behaves; the name of a function of :mod:`benchmarks.side_by_side`.
        is_shared: One run for all readers, where that can be said.
    """

    name: str
    title: str
    code: str
    act: str = "read"
    is_shared: bool = False

    def function(self) -> Callable[[], Any]:
        """Return the generator function."""
        source = f"async def generate():\n{textwrap.indent(self.code, '    ')}"
        names: dict[str, Any] = {"asyncio": asyncio, "note": self.note}
        exec(compile(source, f"<{self.name}>", "exec"), names)
        return names["generate"]

    @property
    def notes(self) -> Path:
        """The file of what it notes."""
        return Path(os.environ[NOTES], f"{self.name}.txt")

    def note(self, text: object) -> None:
        """Write a line; whoever reads the file sees it at once."""
        with self.notes.open("a") as file:
            file.write(f"{text}\n")


CASES = (
    Case("newline", "A text of two lines", 'yield "first line\\nsecond line"\n'),
    Case("payload", "A record that has a key named `id`", 'yield {"id": 7, "name": "Ada"}\n'),
    Case(
        "injected-event",
        "What a user typed, passed on as text",
        'typed = "hi\\n\\nevent: admin\\ndata: Ada is now an administrator"\nyield typed\n',
    ),
    Case(
        "injected-field",
        "What a user typed, used as the event's type",
        'typed = "note\\nid: 999999\\nretry: 86400000"\nyield {"data": "hello", "event": typed}\n',
    ),
    Case("error", "An exception after the first event", 'yield "epoch 1"\nraise ValueError("bad batch")\n'),
    Case(
        "end",
        "Return after the end, as every EventSource does by itself",
        'note("begun")\nfor n in range(3):\n    yield {"data": n, "id": str(n)}\n',
        act="return_after_the_end",
    ),
    Case(
        "return",
        "Return after a lost connection, with the last id",
        'for n in range(1000):\n    yield {"data": n, "id": str(n)}\n    await asyncio.sleep(0.05)\n',
        act="return_after_a_loss",
        is_shared=True,
    ),
    Case(
        "slow",
        "A reader that stops reading, before a generator that could fill memory",
        'text = "x" * 1000\nfor n in range(1_000_000):\n    if n % 1000 == 0:\n        note(n)\n'
        '    yield {"n": n, "text": text}\n    await asyncio.sleep(0)\n',
        act="stop_reading",
    ),
    Case(
        "left",
        "A reader that leaves while the generator rests",
        'try:\n    yield "here"\n    await asyncio.sleep(3600)\nfinally:\n    note("cleaned up")\n',
        act="leave",
    ),
)
