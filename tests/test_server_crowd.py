"""Thousands of readers: what they leave behind, and how the server lets them go.

``JUPYTER_SSE_CROWD=10000`` sets how many they are; few by default, so that a small machine is done within a minute.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from crowd import Crowd
from running_server import JupyterServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CROWD = int(os.environ.get("JUPYTER_SSE_CROWD", "1000"))
ROUNDS = 10
WARM_UP = 2
"""Rounds after which memory is compared: what Python, allocators and the system keep for use again is there then."""

MEMORY_BYTES = 16 << 20
"""How much the server's memory may grow over all rounds: with ten thousand readers in each, 170 bytes for a reader."""

pytestmark = pytest.mark.timeout(1_200)


@pytest.fixture(params=["handed over", "portable", "tls"])
def crowded_server(request: pytest.FixtureRequest) -> Iterator[JupyterServer]:
    """A server of its own for each test: one counts what it holds, another ends it."""
    certificate = request.getfixturevalue("certificate") if request.param == "tls" else None
    running = JupyterServer(f"--SSEApp.hand_over={request.param == 'handed over'}", certificate=certificate).start()
    yield running
    running.stop()


class Held(NamedTuple):
    """What a process holds."""

    files: int
    threads: int
    memory_bytes: int

    @classmethod
    def by(cls, server: JupyterServer) -> Held:
        """Return what the server holds now."""
        folder = Path(f"/proc/{server.process.pid}")
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
        files = sum(1 for _ in (folder / "fd").iterdir())
        return cls(files, int(status["Threads"]), int(status["VmRSS"].split()[0]) * 1024)


def test_connections_opened_and_dropped_leave_no_descriptor_thread_or_memory_behind(crowded_server: JupyterServer):
    def metric(name: str) -> int:
        return crowded_server.client.get("api/sse/metrics").json()[name]

    # With TLS a connection takes the client and the server some milliseconds each.
    count = CROWD // 4 if crowded_server.url.startswith("https") else CROWD
    crowded_server.publish("crowd", 1)
    empty = Held.by(crowded_server)
    warm = empty
    for number in range(ROUNDS):
        asyncio.run(come_and_go(crowded_server, count))
        wait_until(lambda: metric("connections") == 0, "all have left", timeout=60)
        wait_until(lambda: Held.by(crowded_server).files <= empty.files + 2, "all sockets are closed", timeout=60)
        if number + 1 == WARM_UP:
            warm = Held.by(crowded_server)
    held = Held.by(crowded_server)
    print(f"{count} readers, {ROUNDS} rounds: {empty} before, {warm} warm, {held} after")  # noqa: T201
    assert metric("connections_opened") >= count * ROUNDS
    assert held.threads <= warm.threads
    assert held.memory_bytes <= warm.memory_bytes + MEMORY_BYTES


async def come_and_go(server: JupyterServer, count: int) -> None:
    crowd = Crowd(server, "crowd")
    await crowd.come(count)
    await crowd.leave()


@pytest.mark.alone
def test_readers_get_what_is_pending_and_a_time_to_return_and_are_closed_within_two_seconds(
    crowded_server: JupyterServer,
):
    crowded_server.publish("ending", 1)
    asyncio.run(stop_with_a_crowd(crowded_server))


async def stop_with_a_crowd(server: JupyterServer) -> None:
    crowd = Crowd(server, "ending")
    await crowd.come(CROWD)
    await asyncio.to_thread(server.publish, "ending", 2)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    await crowd.wait_for_the_end()
    took = max(visitor.left_at for visitor in crowd.visitors) - began
    await asyncio.to_thread(server.process.wait, 30)
    stopped = time.monotonic() - began
    ours = float(re.search(r"jupyter_sse: closed \d+ readers in ([0-9.]+) s", server.log())[1])
    print(f"{CROWD} readers closed {took:.2f} s after SIGTERM, the server {stopped:.2f} s, ours {ours:.2f} s")  # noqa: T201
    times = set()
    for visitor in crowd.visitors:
        ending = re.search(rb"data: 2\n\nretry: (\d+)\n\n$", visitor.received)
        assert ending, visitor.received
        times.add(int(ending[1]))
    assert len(times) > CROWD / 10
    assert took < 2
    assert ours <= 1
