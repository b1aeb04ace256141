"""A reader's own run advances as far as its reader has read, and there are hundreds of them."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from running_kernel import ServedKernel
from running_server import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running_server import JupyterServer


@pytest.fixture(scope="module", params=["server", "portable_server"])
def cells(request: pytest.FixtureRequest) -> Iterator[ServedKernel]:
    """A kernel for the tests of this file; each uses routes of its own."""
    with ServedKernel(request.getfixturevalue(request.param), "visits.ipynb") as kernel:
        kernel.good("%load_ext jupyter_sse\nimport jupyter_sse as sse, asyncio, time, threading")
        yield kernel


@contextlib.contextmanager
def bare_reader(server: JupyterServer, address: str) -> Iterator[socket.socket]:
    """Ask for a stream, and read nothing of it: what the caller does not take stays where it is.

    The system gives more room only to who reads. With less of it than usual, all would come by and by afterwards.
    """
    with socket.create_connection(("127.0.0.1", server.port)) as reading:
        head = (
            f"GET {server.base_url}{address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {server.token}\r\n\r\n"
        )
        reading.sendall(head.encode())
        yield reading


def is_steady(cells: ServedKernel, expression: str) -> int:
    """Wait until a number is no longer growing; return it."""
    last = [-1]

    def has_settled() -> int | None:
        before, last[0] = last[0], cells.value(expression)
        time.sleep(0.3)
        return last[0] if before == last[0] > 0 else None

    return wait_until(has_settled, f"{expression} no longer grows")


MILLION = (
    "made = 0\n"
    "@sse.per_subscriber('million/{{kind}}')\n"
    "{keyword}def million(kind):\n"
    "    global made\n"
    "    for chunk in range(1000):\n"
    "        for item in range(1000):\n"
    "            made += 1\n"
    "            yield {{'data': {{'item': chunk * 1000 + item}}, 'id': made}}\n"
)


class TestCredit:
    @pytest.mark.parametrize("keyword", ["", "async "])
    def test_a_reader_that_stops_reading_stops_its_generator(self, cells: ServedKernel, keyword: str):
        cells.good(MILLION.format(keyword=keyword))
        with bare_reader(cells.server, "sse/million/stopped") as reading:
            made = is_steady(cells, "made")
            # What lies in the sockets' buffers, and the window of 64 KiB.
            assert made < 60_000
            # It goes on where the reader does.
            taken = 0
            while taken < 2_000_000:
                taken += len(reading.recv(65536))
            cells.wait(f"made > {made}")
        cells.wait("not million.visits")

    @pytest.mark.parametrize("keyword", ["", "async "])
    def test_a_million_items_hold_a_bounded_number_in_flight_whatever_the_readers_speed(
        self, cells: ServedKernel, keyword: str
    ):
        cells.good(MILLION.format(keyword=keyword))
        largest = 0
        # A slow reader's window would grow to megabytes, and what lies in it counts as in flight.
        small = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)])
        usual = cells.server.client
        client = httpx.Client(base_url=usual.base_url, headers=usual.headers, timeout=usual.timeout, transport=small)
        with client, cells.server.read("sse/million/all", client) as reader:
            for number, event in enumerate(reader.events()):
                if event.event == "sse.end":
                    break
                assert event.id == str(number + 1)
                if number % 100_000 == 5_000:
                    largest = max(largest, cells.value("made") - number)
        assert number == 1_000_000
        assert json.loads(event.data)["reason"] == "done"
        # The reader's decoder holds some that have arrived.
        assert largest < 60_000

    def test_an_event_of_any_size_fits(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('large')\ndef large():\n    for i in range(5):\n        yield str(i) * 900_000")
        with cells.server.read("sse/large") as reader:
            events = reader.until("sse.end")[:-1]
        assert [(len(event.data), event.data[0]) for event in events] == [(900_000, str(i)) for i in range(5)]

    def test_a_slow_reader_slows_no_other(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('uneven/{n}')\nasync def uneven(n: int):\n"
            "    for i in range(n):\n        yield 'x' * 1000"
        )
        with bare_reader(cells.server, "sse/uneven/1000000"), cells.server.read("sse/uneven/3000") as reader:
            assert len(reader.until("sse.end")) == 3001
        cells.wait("not uneven.visits")


class TestCrowd:
    def test_hundreds_of_runs_at_once_in_one_kernel(self, cells: ServedKernel):
        cells.good(
            "left = []\n"
            "@sse.per_subscriber('crowd/{n}')\nasync def crowd(n: int):\n"
            "    try:\n        yield n\n        await asyncio.sleep(3600)\n    finally:\n        left.append(n)\n"
            "@sse.per_subscriber('throng/{n}')\ndef throng(n: int):\n"
            "    try:\n        while True:\n            yield n\n            time.sleep(1)\n"
            "    finally:\n        left.append(n)"
        )
        with contextlib.ExitStack() as stack:
            readers = [stack.enter_context(cells.server.read(f"sse/crowd/{n}")) for n in range(300)]
            readers += [stack.enter_context(cells.server.read(f"sse/throng/{n}")) for n in range(100)]
            assert [reader.take(1)[0].data for reader in readers] == [*map(str, range(300)), *map(str, range(100))]
            assert cells.value("(len(crowd.visits), len(throng.visits))") == (300, 100)
        cells.wait("len(left) == 400", timeout=60)

    def test_beyond_the_bound_on_threads_a_reader_is_told_to_come_again(self, cells: ServedKernel):
        cells.good(
            "import jupyter_sse.route\nmost, jupyter_sse.route.MOST_THREADS = jupyter_sse.route.MOST_THREADS, 3\n"
            "@sse.per_subscriber('full/{n}')\ndef full(n: int):\n"
            "    while True:\n        yield n\n        time.sleep(0.05)\n"
            "@sse.per_subscriber('free/{n}')\nasync def free(n: int):\n    yield n"
        )
        try:
            with contextlib.ExitStack() as stack:
                for n in range(3):
                    stack.enter_context(cells.server.read(f"sse/full/{n}")).take(1)
                answer = cells.server.client.get("sse/full/4")
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                assert "serves 3 readers" in answer.json()["message"]
                # Async ones need no thread.
                with cells.server.read("sse/free/1") as reader:
                    assert reader.take(1)[0].data == "1"
            cells.wait("not full.visits")
            with cells.server.read("sse/full/5") as reader:
                assert reader.take(1)[0].data == "5"
        finally:
            cells.good("jupyter_sse.route.MOST_THREADS = most")
