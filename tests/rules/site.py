"""A server, a link to it as a kernel has one, and readers of its wire: what each rule is tried on."""

from __future__ import annotations

import itertools
import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from running_kernel import ServedKernel
from running_server import wait_until

from jupyter_sse._rust import Link
from rules.reader import PlainReader

if TYPE_CHECKING:
    from running_server import JupyterServer

    from jupyter_sse._rust import Producer

NUMBERS = itertools.count(1)


class Position(NamedTuple):
    """Where an event stands; see DESIGN's words."""

    epoch: str
    seq: int
    n: int

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read ``<epoch>-<seq>-<n>``, written in the one way there is."""
        found = re.fullmatch(r"([0-9A-Za-z]{11})-([1-9][0-9]*)-([1-9][0-9]*)", text)
        assert found, f"{text!r} is no position"
        return cls(found[1], int(found[2]), int(found[3]))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}-{self.n}"


class Site:
    """One of the two paths: a server whose readers take it, and producers.

    Attributes:
        server: The process.
        path: How the server counts its readers: ``handed_over`` or ``portable``.
        link: A link from this process.
    """

    def __init__(self, server: JupyterServer, path: str) -> None:
        self.server = server
        self.path = path
        self.link = self.new_link("rules")

    def close(self) -> None:
        """End what was started."""
        self.link.close(0)
        if "kernel" in vars(self):
            self.kernel.close()

    @cached_property
    def kernel(self) -> ServedKernel:
        """A real kernel with the extension loaded."""
        started = ServedKernel(self.server, "rules.ipynb")
        started.good("%load_ext jupyter_sse\nimport jupyter_sse as sse")
        return started

    def new_link(self, kernel: str, path: str | None = None, **options: Any) -> Link:
        """Return a link of another kernel."""
        return Link(path or self.server.link_path, kernel, f"{kernel}.ipynb", **options)

    def open(self, name: str, kind: str = "send", *, link: Link | None = None, **options: Any) -> Producer:
        """Open a stream with these options of its maker."""
        producer = (link or self.link).open(name, kind, json.dumps(options), 20)
        assert producer.run is not None, "the hub has not confirmed the stream"
        return producer

    def send(self, producer: Producer, *values: Any) -> None:
        """Send values, an event each, and wait until they are in the log."""
        for value in values:
            producer.send(json.dumps(value))
        assert self.link.flush(20)

    def history_of(self, name: str, events: int, sent: int) -> Producer:
        """Open a stream that keeps ``events`` and send the numbers from 1 to ``sent``: their value is their ``n``."""
        producer = self.open(name, history={"events": events})
        self.send(producer, *range(1, sent + 1))
        return producer

    def post(self, name: str, text: str) -> list[str]:
        """Publish a piece of an event stream; return the positions."""
        answer = self.try_post(name, text)
        assert answer.status_code == 201, answer.text
        return answer.json()["positions"]

    def try_post(self, name: str, text: str) -> Any:
        """Try to publish a piece of an event stream; return the answer."""
        headers = {"Content-Type": "text/event-stream"}
        return self.server.client.post(f"sse/{name}", content=text.encode(), headers=headers)

    def publish(self, name: str, *values: Any) -> list[Position]:
        """Publish values, an event each; return where they stand."""
        return [Position.parse(text) for text in self.server.publish(name, *values)]

    def end(self, name: str) -> None:
        """End a stream, as the stop button does."""
        assert self.server.client.delete(f"api/sse/streams/{name}").status_code == 204

    def describe(self, name: str) -> dict[str, Any]:
        """Return what the server says of a stream."""
        return self.server.client.get(f"api/sse/streams/{name}").json()

    def metrics(self) -> dict[str, Any]:
        """Return the server's counters."""
        return self.server.client.get("api/sse/metrics").json()

    def read(self, address: str, last_event_id: str | bytes | Position | None = None, **options: Any) -> PlainReader:
        """Connect to ``<base>/sse…``: ``/name?…`` or ``?stream=name``."""
        if isinstance(last_event_id, Position):
            last_event_id = str(last_event_id)
        return PlainReader(self.server, f"sse{address}", last_event_id, **options)

    def positions(self, name: str) -> list[Position]:
        """Return where the events of a stream's history stand; nobody reads it any more when this returns."""
        count = self.describe(name)["history"]["events"]
        with self.read(f"/{name}?ids=position") as reader:
            found = [Position.parse(block.id) for block in reader.events(count)]
        # More than the history is held for a reader who is connected, and until it is missed.
        wait_until(lambda: self.describe(name)["subscribers"] == 0, "the reader has left")
        return found

    def change(self, opened: PlainReader, **change: list[str]) -> None:
        """Change the streams of a connection whose ``sse.open`` was read."""
        connection = opened.controls("sse.open")[0].json["connection"]
        answer = self.server.client.post(f"api/sse/connections/{connection}", json=change)
        assert answer.status_code == 204, answer.text
