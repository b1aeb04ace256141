"""What all programs go through together: history, live events, cuts, a gap, a server that is started anew, the end.

The events of the producer are numbers, one after the other, so that what is missing and what came twice can be told.
Every third one has an id of its own.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from e2e.wire import Wire
from running_server import JupyterServer, wait_until

from clients.by_hand import Curl, HttpxSse, SseclientPy
from clients.event_source import BrowserEventSource, NodeEventSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser

    from clients.record import Record

NAME = "journey"
HISTORY = 100
"""How many events the server keeps for who comes back."""

BEFORE = 50
"""The last event before anybody reads."""
LIVE = 150
"""The last one before the long absence."""
CUTS = (71, 121)
"""Before these the connections are cut; they are mended ten events later."""
AWAY = 401
"""The last one that is sent while nobody is connected, and in the first life of the server."""
AFTER = 450
"""The last one of all, in the second life."""


class Journey:
    """A server on one path, a wire that can be cut, and the programs. A context manager.

    Attributes:
        path: ``handed_over`` or ``portable``.
        records: What each program has got, by its name.
        server: The process.
    """

    def __init__(self, path: str, browser: Browser, certificate: tuple[Path, Path, object]) -> None:
        self.path = path
        self.server = JupyterServer(
            f"--SSEApp.history_events={HISTORY}",
            "--SSEApp.reconnection_time=200",
            certificate=certificate if path == "portable" else None,
        )
        self._browser = browser
        self._authority = certificate[0].with_name("authority.pem")
        self._stack = ExitStack()
        self.records: dict[str, Record] = {}

    def __enter__(self) -> Journey:
        self.server.start()
        self._stack.callback(self.server.stop)
        scheme = self.server.url.partition(":")[0]
        self.wire = self._stack.enter_context(Wire(self.server.port, self.server.base_url, scheme))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def travel(self) -> None:
        """Go from station to station."""
        self._publish(1, BEFORE)
        self._start()
        self._wait_for(BEFORE)
        self._be_cut_while_events_come()
        self._miss_events()
        self._start_the_server_anew()
        self._end()

    def _start(self) -> None:
        url = f"{self.wire.url}sse/{NAME}"
        self._page = BrowserEventSource(self.server, url, self._browser)
        programs = {
            "curl": Curl(self.server, url, self._authority),
            "httpx-sse": HttpxSse(self.server, url),
            "sseclient-py": SseclientPy(self.server, url),
            "Node's eventsource": NodeEventSource(self.server, url, self._authority),
            "the browser's EventSource": self._page,
        }
        for name, program in programs.items():
            self._stack.enter_context(program)
            self.records[name] = program.record

    def _be_cut_while_events_come(self) -> None:
        for first in range(BEFORE + 1, LIVE, 10):
            if first in CUTS:
                self._wait_for(first - 1)
                self.wire.cut()
            self._publish(first, first + 9)
            if first in CUTS:
                self.wire.mend()
        self._wait_for(LIVE)

    def _miss_events(self) -> None:
        self.wire.cut()
        self._wait_until_nobody_reads()
        self._publish(LIVE + 1, AWAY)
        self.wire.mend()
        self._wait_for(AWAY)

    def _start_the_server_anew(self) -> None:
        self.server.restart(signal.SIGTERM)
        self._publish(AWAY + 1, AFTER)
        self._wait_for(AFTER)

    def _end(self) -> None:
        assert self.server.client.delete(f"api/sse/streams/{NAME}").status_code == 204
        self._wait(lambda record: record.is_over, "all programs have stopped by themselves")
        self._publish(AFTER + 1, AFTER + 1)

    def _publish(self, first: int, last: int) -> None:
        """Send numbers, in one piece of an event stream."""
        blocks = [f"{own_id(number)}data: {number}\n\n" for number in range(first, last + 1)]
        headers = {"Content-Type": "text/event-stream"}
        answer = self.server.client.post(f"sse/{NAME}", content="".join(blocks), headers=headers)
        assert answer.status_code == 201, answer.text

    def _wait_for(self, number: int) -> None:
        self._wait(lambda record: record.last_number() >= number, f"all programs have got {number}")

    def _wait_until_nobody_reads(self) -> None:
        described = f"api/sse/streams/{NAME}"
        wait_until(lambda: self.server.client.get(described).json()["subscribers"] == 0, "all programs are gone")

    def _wait(self, condition: Callable[[Record], bool], what: str) -> None:
        def waiting_for() -> list[str]:
            self._page.poll()
            return [name for name, record in self.records.items() if not condition(record)]

        wait_until(lambda: not waiting_for(), f"{what}; {self.records!r:.2000}")


def own_id(number: int) -> str:
    """Return the line with the producer's own id, for every third event."""
    return f"id: own-{number}\n" if number % 3 == 0 else ""
