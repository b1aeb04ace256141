"""A late reader of a long history: when the first byte comes, and what it costs the server."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.machine import MIB, resident_bytes
from benchmarks.report import Part, Row, middle, short, spread
from benchmarks.server import STREAM, Ours

if TYPE_CHECKING:
    from benchmarks.server import JupyterServer
    from benchmarks.setting import Setting

EVENTS = 1_000_000
RATE = 200_000
ROUNDS = 3
GOAL_FIRST_MS, GOAL_MIB = 50.0, 16.0
SAMPLE_EVERY = 0.02
NUMBER = re.compile(rb'"run":1,"n":(\d+),')


def run(setting: Setting) -> Part:
    """1,000,000 events of 120 bytes to a reader who comes after the last: first byte, growth of resident memory."""
    count = setting.pick(EVENTS, 100_000)
    bounds = [f"--SSEApp.history_events={2 * EVENTS}", f"--SSEApp.history_bytes={1 << 30}"]
    bounds.append(f"--SSEApp.max_history_bytes={2 << 30}")
    rounds = []
    with Ours(setting, *bounds) as ours:
        ours.publish(1, RATE, count / RATE, 120)
        for _ in range(setting.pick(ROUNDS, 1)):
            rounds.append(one_reader(ours.jupyter, count))
            print("  ".join(f"{name} {short(value)}" for name, value in rounds[-1].items()), flush=True)
    first = [one["first_byte_ms"] for one in rounds]
    grown = [one["grown_mib"] for one in rounds]
    rate = [one["events_per_second"] for one in rounds]
    row = Row(f"replay of {count:,} events: first byte", f"≤ {GOAL_FIRST_MS:g} ms", f"{middle(first):.1f} ms")
    row.spread, row.reached = spread(first, " ms"), middle(first) <= GOAL_FIRST_MS
    memory = Row(
        "  resident memory grows by", f"≤ {GOAL_MIB:g} MiB", f"{max(grown):.1f} MiB", spread=spread(grown, " MiB")
    )
    memory.reached = max(grown) <= GOAL_MIB
    speed = Row("  until the last event", measured=f"{short(middle(rate))} events/s", spread=spread(rate, "/s"))
    return Part([row, memory, speed], {"rounds": rounds})


def one_reader(server: JupyterServer, count: int) -> dict[str, float]:
    """Read everything, in order.

    Raises:
        RuntimeError: An event is missing or out of order.
    """
    before = resident_bytes(server.pid)
    highest = [before]
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(SAMPLE_EVERY):
            highest[0] = max(highest[0], resident_bytes(server.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    start = time.monotonic()
    try:
        first, numbers = read(server, count)
    finally:
        is_over.set()
        watching.join()
    if numbers != count:
        raise RuntimeError(f"expected {count} events in order, got {numbers}")
    return {
        "first_byte_ms": (first - start) * 1e3,
        "events_per_second": count / (time.monotonic() - start),
        "grown_mib": (highest[0] - before) / MIB,
    }


def read(server: JupyterServer, count: int) -> tuple[float, int]:
    """Return when the first byte of the body came, and how many events came in order."""
    request = (
        f"GET /sse/{STREAM} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: token {server.token}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request.encode())
        tail = b""
        while b"\r\n\r\n" not in tail or not tail.partition(b"\r\n\r\n")[2]:
            tail += connection.recv(1 << 16)
        first, last = time.monotonic(), 0
        while True:
            whole, _, tail = tail.rpartition(b"\n")
            for match in NUMBER.finditer(whole):
                if int(match[1]) != last + 1:
                    return first, last
                last += 1
            if last >= count:
                return first, last
            tail += connection.recv(1 << 20)
