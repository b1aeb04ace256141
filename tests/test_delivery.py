"""Nothing is lost, nothing comes twice, and memory stays within its bounds: counted, at the rates of real programs."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_kernel import ServedKernel
from running_server import JupyterServer, wait_until

from jupyter_sse import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024

EVENTS = 1_000_000
FIRST = 1_000_000
"""The number of the first event: all have seven digits, so that all are of one size."""

EVENT_BYTES = 150
HISTORY_BYTES = 256 * MIB
DEFAULT_HISTORY_BYTES = 16 * MIB
LIVE_WINDOW_BYTES = 8 * MIB
LINK_BYTES = 64 * MIB

SEND = """
pad = "x" * ({event_bytes} - len('{{"n":1000000,"pad":""}}'))
for n in range({first}, {first} + {events}):
    stream.send({{"n": n, "pad": pad}})
stream.flush()
"""


class Memory:
    """The most that a process has held since the last ``reset``: its resident memory, as Linux counts it."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self.reset()

    def reset(self) -> None:
        """Begin to count."""
        self._folder.joinpath("clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    @property
    def growth_bytes(self) -> int:
        """How much more than at ``reset`` it was at most."""
        return self._read("VmHWM") - self._before

    def _read(self, field: str) -> int:
        lines = self._folder.joinpath("status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


class Counter:
    """A reader that keeps no event, only what is wrong with them. It reads in a thread of its own.

    Attributes:
        count: Events of the producer so far.
        lost: Events that gaps have announced.
        faults: Events that did not come in their turn, and what came instead.
    """

    def __init__(self, server: JupyterServer, name: str) -> None:
        self.count = 0
        self.lost = 0
        self.faults: list[str] = []
        self._socket = open_stream(server, name)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        decoder = Decoder()
        skip_head(self._socket)
        expected = FIRST
        while expected < FIRST + EVENTS and (chunk := self._socket.recv(MIB)):
            for event in decoder.feed(chunk):
                if event.event == "sse.gap":
                    missed = json.loads(event.data)["lost"]["count"]
                    self.lost += missed
                    expected += missed
                    continue
                found = int(event.data[5:12])
                if found != expected or len(event.data) != EVENT_BYTES:
                    self.faults.append(f"expected {expected}, got {event}")
                self.count += 1
                expected = found + 1

    def wait_for_all(self, timeout: float) -> None:
        """Wait until the last event has come, and close the connection."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"only {self.count} events, {self.lost} lost, within {timeout} s"
        self._socket.close()


def open_stream(server: JupyterServer, name: str) -> socket.socket:
    """Ask for a stream without an HTTP library: nothing is read that nobody asks for."""
    connected = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    request = (
        f"GET {server.base_url}sse/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {server.token}\r\n\r\n"
    )
    connected.sendall(request.encode())
    return connected


def skip_head(connected: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connected.recv(1)
    assert head.startswith(b"HTTP/1.1 200 "), head


@pytest.fixture
def fresh_server() -> Iterator[JupyterServer]:
    """A server whose memory nobody has used yet."""
    running = JupyterServer().start()
    yield running
    running.stop()


@pytest.fixture
def sender(fresh_server: JupyterServer) -> Iterator[ServedKernel]:
    with ServedKernel(fresh_server) as kernel:
        kernel.good("import os\nimport jupyter_sse as sse")
        yield kernel


def send_all(kernel: ServedKernel) -> None:
    kernel.good(SEND.format(event_bytes=EVENT_BYTES, first=FIRST, events=EVENTS), timeout=120)


def test_million_events_that_the_history_holds_reach_all_readers_in_order_within_the_bounds_of_memory(
    fresh_server: JupyterServer, sender: ServedKernel
):
    sender.good(f"stream = sse.stream('million', history={{'events': {EVENTS}, 'bytes': {HISTORY_BYTES}}})")
    kernel_memory, server_memory = Memory(sender.value("os.getpid()")), Memory(fresh_server.process.pid)
    with open_stream(fresh_server, "million") as stalled:
        skip_head(stalled)
        reader = Counter(fresh_server, "million")
        send_all(sender)
        reader.wait_for_all(60)
        newcomer = Counter(fresh_server, "million")
        newcomer.wait_for_all(60)
        assert kernel_memory.growth_bytes <= LINK_BYTES + 32 * MIB
        assert server_memory.growth_bytes <= HISTORY_BYTES + LIVE_WINDOW_BYTES + 32 * MIB
    for one in (reader, newcomer):
        assert (one.count, one.lost, one.faults) == (EVENTS, 0, [])


def test_million_events_beyond_the_history_are_counted_to_the_last_by_a_reader_that_stalled(
    fresh_server: JupyterServer, sender: ServedKernel
):
    sender.good("stream = sse.stream('short')")
    kernel_memory, server_memory = Memory(sender.value("os.getpid()")), Memory(fresh_server.process.pid)
    with open_stream(fresh_server, "short") as stalled:
        skip_head(stalled)
        send_all(sender)
        assert kernel_memory.growth_bytes <= LINK_BYTES + 32 * MIB
        assert server_memory.growth_bytes <= DEFAULT_HISTORY_BYTES + LIVE_WINDOW_BYTES + 32 * MIB
        received, lost = read_to_the_end(stalled)
    assert lost > 0
    assert received + lost == EVENTS


def test_million_events_to_a_server_that_stands_still_wait_within_the_bounds_of_the_kernel_and_all_arrive(
    fresh_server: JupyterServer, sender: ServedKernel
):
    sender.good(f"stream = sse.stream('still', history={{'events': {EVENTS}, 'bytes': {HISTORY_BYTES}}})")
    reader = Counter(fresh_server, "still")
    kernel_memory = Memory(sender.value("os.getpid()"))
    os.kill(fresh_server.process.pid, signal.SIGSTOP)
    try:
        request = sender.send(SEND.format(event_bytes=EVENT_BYTES, first=FIRST, events=EVENTS))
        # What the link holds is counted without the allocator's own; the kernel now waits for room.
        wait_until(lambda: kernel_memory.growth_bytes > LINK_BYTES * 0.9, "the link is full")
    finally:
        os.kill(fresh_server.process.pid, signal.SIGCONT)
    assert sender.finish(*request).status == "ok"
    reader.wait_for_all(60)
    assert kernel_memory.growth_bytes <= LINK_BYTES + 32 * MIB
    assert (reader.count, reader.lost, reader.faults) == (EVENTS, 0, [])


def read_to_the_end(connected: socket.socket) -> tuple[int, int]:
    """Read until the last event; return how many came and how many gaps have announced as lost."""
    decoder = Decoder()
    received = lost = 0
    last = str(FIRST + EVENTS - 1)
    while True:
        for event in decoder.feed(connected.recv(MIB)):
            if event.event == "sse.gap":
                lost += json.loads(event.data)["lost"]["count"]
                continue
            received += 1
            if event.data[5:12] == last:
                return received, lost
