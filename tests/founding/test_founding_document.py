"""The founding document's streams, clients and monitoring: the notebook's cells, judged by curl and browsers."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import httpx_sse
import pytest
from clients.event_source import NodeEventSource
from running_server import wait_until

from founding.conftest import cell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running_kernel import ServedKernel
    from running_server import JupyterServer

    from founding.page import Page

COUNTS = [f"Count: {number}" for number in range(10)]


def curl(server: JupyterServer, name: str, *options: str) -> str:
    """Read a stream with curl; return what it printed."""
    command = ["curl", "-sN", *options, f"{server.url}sse/{name}", "-H", f"Authorization: token {server.token}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


def test_simple_stream_is_text_and_curl_ends_with_it(kernel: ServedKernel, server: JupyterServer):
    kernel.good(cell("counter"))
    blocks = curl(server, "live-counter").split("\n\n")
    assert [line for block in blocks for line in block.split("\n") if line.startswith("data: Count")] == [
        f"data: {text}" for text in COUNTS
    ]
    assert blocks[-2].startswith("event: sse.end\n")


def test_json_is_read_by_a_client_of_others(kernel: ServedKernel, server: JupyterServer):
    kernel.good(cell("data"))
    with httpx_sse.connect_sse(server.client, "GET", "sse/live-data") as source:
        # httpx-sse makes an event of a block that has only a reconnection time as well.
        read = [json.loads(event.data) for event in source.iter_sse() if event.event == "message" and event.data]
    assert len(read) == 20
    assert all(set(one) == {"temperature", "humidity", "timestamp"} for one in read)
    assert all(18 <= one["temperature"] <= 22 for one in read)


def test_structured_events_carry_type_id_and_reconnection_time(kernel: ServedKernel, server: JupyterServer):
    kernel.good(cell("structured"))
    with httpx_sse.connect_sse(server.client, "GET", "sse/structured-events") as source:
        read = [event for event in source.iter_sse() if event.data and not event.event.startswith("sse.")]
    assert [event.event for event in read] == ["welcome", *["status"] * 5, "complete"]
    assert [event.id for event in read] == ["welcome-1", *[f"status-{i}" for i in range(1, 6)], "final"]
    assert {event.retry for event in read if event.event == "status"} == {3000}
    assert json.loads(read[-1].data) == {"status": "Complete", "progress": 100}


def test_silence_is_kept_alive_by_comments(kernel: ServedKernel, server: JupyterServer):
    kernel.good(cell("long"))
    received = curl(server, "long-stream", "--max-time", "4")
    assert "event: data\nid: 0\ndata: Update 0\n\n" in received
    assert received.count(": ping\n\n") >= 2


def test_page_hears_messages_and_is_not_let_in_again_after_the_end(kernel: ServedKernel, new_page: Callable[[], Page]):
    kernel.good(cell("counter"))
    heard = new_page().listen("live-counter", "message")
    assert heard.wait_for(10) == [("message", text) for text in COUNTS]
    heard.wait_until_closed()
    assert heard.connections == 1


def test_page_hears_types_of_its_own_and_closes_at_the_last(kernel: ServedKernel, new_page: Callable[[], Page]):
    kernel.good(cell("structured"))
    heard = new_page().listen("structured-events", "message", "welcome", "status", "complete", last="complete")
    events = heard.wait_for(7)
    assert events[0] == ("welcome", "Welcome to the stream")
    assert [json.loads(data)["progress"] for kind, data in events if kind == "status"] == [20, 40, 60, 80, 100]
    assert events[-1] == ("complete", '{"status":"Complete","progress":100}')


def test_node_hears_the_stream_to_its_end_and_stops(kernel: ServedKernel, server: JupyterServer, certificate: tuple):
    kernel.good(cell("counter"))
    authority: Path = certificate[0].parent / "authority.pem"
    with NodeEventSource(server, f"{server.url}sse/live-counter", authority) as client:
        wait_until(lambda: client.record.is_over, "the client has stopped")
        assert [event.data for event in client.record.events if event.type == "message"] == COUNTS


def test_events_named_error_come_as_data(kernel: ServedKernel, new_page: Callable[[], Page]):
    kernel.good(cell("errors"))
    heard = new_page().listen("resilient-stream", "data", "error", "fatal_error", last="fatal_error")
    events = heard.wait_for(61)
    errors = [json.loads(data) for kind, data in events if kind == "error"]
    assert errors
    assert set(map(str, errors)) == {"{'error': 'Temporary data unavailable'}"}
    assert events[-1] == ("fatal_error", '{"error":"the sensor is gone"}')
    assert len(events) == 61


@pytest.mark.parametrize("address", ["api/sse/metrics", "metrics"])
def test_metrics_count_readers_and_events(address: str, server: JupyterServer):
    def metric(name: str) -> float:
        answer = server.client.get(address)
        if address == "metrics":
            return next(
                float(line.split()[1])
                for line in answer.text.splitlines()
                if line.split()[0] in (f"jupyter_sse_{name}", f"jupyter_sse_{name}_total")
            )
        return answer.json()[name]

    server.publish("monitored", 0)
    before = {name: metric(name) for name in ("connections", "events", "deliveries")}
    with server.read("sse/monitored@latest"):
        wait_until(lambda: metric("connections") == before["connections"] + 1, "the reader is counted")
        server.publish("monitored", *range(100))
        wait_until(lambda: metric("deliveries") >= before["deliveries"] + 100, "deliveries are counted")
        assert metric("events") >= before["events"] + 100
    wait_until(lambda: metric("connections") == before["connections"], "the reader is gone")
