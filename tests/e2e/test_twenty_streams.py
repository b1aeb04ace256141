"""Twenty streams beside a kernel that computes: curl and the browser get every event, once, in order."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from curl import Curl

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.lab import Lab

STREAMS = 20
PER_SECOND = 50
SECONDS = 30
EVENTS = PER_SECOND * SECONDS

# Half of them plain generators, each in a thread, half asynchronous ones; all keep to the clock.
PRODUCE = f"""
import asyncio
import threading
import time

import jupyter_sse as sse

begin = threading.Event()


def threaded(name):
    @sse.broadcast(name, view=False)
    def numbers():
        begin.wait()
        start = time.monotonic()
        for n in range({EVENTS}):
            time.sleep(max(0, start + n / {PER_SECOND} - time.monotonic()))
            yield {{"n": n, "stream": name}}


def asynchronous(name):
    @sse.broadcast(name, view=False)
    async def numbers():
        while not begin.is_set():
            await asyncio.sleep(0.01)
        start = time.monotonic()
        for n in range({EVENTS}):
            await asyncio.sleep(max(0, start + n / {PER_SECOND} - time.monotonic()))
            yield {{"n": n, "stream": name}}


for number in range({STREAMS}):
    (asynchronous if number % 2 else threaded)(f"PREFIX/{{number}}")
"""

SHOW = f"""
from ipywidgets import VBox

VBox([sse.StreamView(f"PREFIX/{{number}}", kind="plot", height=120) for number in range({STREAMS})])
"""

COMPUTE = f"""
begin.set()
until, rounds, value = time.monotonic() + {SECONDS}, 0, 1
while time.monotonic() < until:
    for _ in range(10_000):
        value = (value * 31 + 7) % 1_000_003
    rounds += 1
print(rounds)
"""


@pytest.mark.timeout(240)
def test_curl_and_browser_get_every_event_of_twenty_streams_beside_a_computing_kernel(
    lab: Lab, notebook_file: Callable[..., str]
):
    path = notebook_file("twenty", load="%load_ext jupyter_sse")
    prefix = path.removesuffix(".ipynb")
    names = [f"{prefix}/{number}" for number in range(STREAMS)]
    notebook = lab.open(path)
    notebook.run("load")
    notebook.run_code(PRODUCE.replace("PREFIX", prefix))
    notebook.run(notebook.add("show", SHOW.replace("PREFIX", prefix)))
    cards = notebook.cards("show", STREAMS)
    commands = notebook.run_code("\n".join(f"%sse url {name}" for name in names)).splitlines()
    with contextlib.ExitStack() as stack:
        curls = [stack.enter_context(Curl(command)) for command in commands]
        rounds = int(notebook.run_code(COMPUTE))
        for curl in curls:
            curl.wait_for_end(timeout=60)
    assert rounds > 0
    for name, curl, card in zip(names, curls, cards, strict=True):
        card.wait_for_state("ended", timeout=60)
        expected = [{"n": n, "stream": name} for n in range(EVENTS)]
        assert [json.loads(data) for _, data in curl.data()] == expected
        assert card.check_same_as(curl.data()) == EVENTS
        assert card.lost == 0
    metrics = lab.server.client.get("api/sse/metrics").json()
    assert metrics["connections"] <= 1
