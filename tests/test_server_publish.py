"""Publishing by HTTP, and the REST interface."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from jupyter_sse._rust import Link

if TYPE_CHECKING:
    from running_server import JupyterServer

POSITION = re.compile(r"[0-9A-Za-z]{11}-[0-9]+-[0-9]+")
JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}
EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}


@pytest.mark.parametrize(
    ("body", "event"),
    [
        ("1.5", ("message", "1.5")),
        ('"two\\nlines"', ("message", "two\nlines")),
        ('{"a": [1, null]}', ("message", '{"a":[1,null]}')),
        ('{"data": {"a": 1}, "event": "status"}', ("status", '{"a":1}')),
        ("null", ("message", "null")),
    ],
)
def test_json_value_is_read_as_a_yielded_one(server: JupyterServer, body: str, event: tuple[str, str]):
    answer = server.client.post("sse/json", content=body, headers=JSON)
    assert answer.status_code == 201
    assert answer.json()["stream"] == "json"
    (position,) = answer.json()["positions"]
    assert POSITION.fullmatch(position)
    with server.read("sse/json@-1") as reader:
        got = reader.take(1)[0]
    assert (got.event, got.data) == event
    assert got.id == position


def test_json_lines_are_an_event_each_in_order(server: JupyterServer):
    answer = server.client.post("sse/lines", content='{"a":1}\n\n{"a":2}\r\n3', headers=LINES)
    assert answer.status_code == 201
    positions = answer.json()["positions"]
    with server.read("sse/lines") as reader:
        events = reader.take(3)
    assert [event.data for event in events] == ['{"a":1}', '{"a":2}', "3"]
    assert [event.id for event in events] == positions


def test_event_stream_keeps_types_ids_and_lines(server: JupyterServer):
    body = ": hello\nretry: 10\n\nevent: a\nid: x1\ndata: one\ndata: two\n\ndata: three\n\ndata: last, no blank line"
    answer = server.client.post("sse/events", content=body, headers=EVENTS)
    assert answer.status_code == 201
    with server.read("sse/events") as reader:
        events = reader.take(3)
    assert [(event.event, event.data) for event in events] == [
        ("a", "one\ntwo"),
        ("message", "three"),
        ("message", "last, no blank line"),
    ]
    assert events[0].id == "x1"
    assert POSITION.fullmatch(events[1].id)


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        ("{", JSON, 400, "one JSON value"),
        ("", JSON, 400, "one JSON value"),
        ("{\n", LINES, 400, 'line 1: expected one JSON value, got "{"'),
        ('["\\ud800"]', JSON, 400, "lone surrogate"),
        ("1", {"Content-Type": "text/plain"}, 415, "application/json"),
        ("1", {}, 415, "application/json"),
        ("data: \xff\n\n".encode("latin-1"), EVENTS, 400, "UTF-8"),
        ('{"data": 1, "event": "a\\nb"}', JSON, 400, "event"),
        ('{"data": 1, "id": "a\\u0000b"}', JSON, 400, "id"),
        ('{"data": 1, "event": "sse.end"}', JSON, 400, "sse."),
        ('{"data": 1, "retry": -1}', JSON, 400, "retry"),
        ("event: sse.end\ndata: 1\n\n", EVENTS, 400, "sse."),
    ],
)
def test_bad_body_is_refused_and_the_stream_is_as_it_was(
    server: JupyterServer, body: str | bytes, headers: dict[str, str], status: int, said: str
):
    server.publish("bad", 1)
    before = server.client.get("api/sse/streams/bad").json()["events"]
    answer = server.client.post("sse/bad", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["message"]
    assert server.client.get("api/sse/streams/bad").json()["events"] == before


@pytest.mark.parametrize(
    ("headers", "body", "line"),
    [
        (JSON, json.dumps("x" * (1 << 20)), 1),
        (LINES, "1\n" + json.dumps("x" * (1 << 20)) + "\n3\n", 2),
        (LINES, "1\n" + "[" * (8 << 20), 2),
        (EVENTS, "data: 1\n\ndata: " + "x" * (1 << 20) + "\n\ndata: 3\n\n", 3),
        (EVENTS, "data: 1\n\n" + "data: x\n" * (1 << 19), 3),
    ],
    ids=["json", "line", "endless line", "event", "endless event"],
)
def test_event_too_large_is_413_and_says_where_it_is(
    server: JupyterServer, headers: dict[str, str], body: str, line: int
):
    answer = server.client.post("sse/large-event", content=body, headers=headers)
    assert answer.status_code == 413
    refusal = answer.json()
    assert (refusal["reason"], refusal["line"]) == ("too-large", line)
    assert "1048576 bytes" in refusal["message"]
    assert refusal["count"] == (0 if headers is JSON else 1)
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    ("headers", "body"),
    [(JSON, json.dumps("x" * (3 << 20))), (LINES, json.dumps("x" * (3 << 20))), (EVENTS, "data: " + "x" * (3 << 20))],
    ids=["json", "lines", "events"],
)
def test_event_may_be_as_large_as_the_settings_say(large_server: JupyterServer, headers: dict[str, str], body: str):
    answer = large_server.client.post("sse/larger-event", content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    with large_server.read("sse/larger-event@-1") as reader:
        assert reader.take(1)[0].data == "x" * (3 << 20)


def test_body_beyond_the_bound_of_the_settings_is_refused(small_server: JupyterServer):
    answer = small_server.client.post("sse/large-body", content=b"1\n" * 600_000, headers=LINES)
    assert answer.status_code == 413
    assert "max_post_bytes" in answer.json()["message"]
    pieces = (b"1\n" * 50_000 for _ in range(12))
    answer = small_server.client.post("sse/large-body", content=pieces, headers=LINES)
    assert answer.status_code == 413
    assert answer.json()["count"] == 500_000 - 500_000 % 32_768


@pytest.mark.parametrize(("line", "headers"), [(b"1\n", LINES), (b"data: 1\n\n", EVENTS)], ids=["lines", "events"])
def test_body_of_any_number_of_events_is_published_and_its_answer_is_short(
    server: JupyterServer, line: bytes, headers: dict[str, str]
):
    before = server.client.post("sse/many", content=b"0\n", headers=LINES).json()["positions"]
    answer = server.client.post("sse/many", content=line * 200_000, headers=headers)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["count"], "positions" in told) == (200_000, False)
    n = int(before[0].rpartition("-")[2])
    assert told["first"].endswith(f"-{n + 1}")
    assert told["last"].endswith(f"-{n + 200_000}")
    assert len(answer.content) < 1000


def test_positions_of_up_to_a_thousand_events_are_listed(server: JupyterServer):
    told = server.client.post("sse/listed-positions", content=b"1\n" * 1000, headers=LINES).json()
    assert len(told["positions"]) == told["count"] == 1000
    assert (told["first"], told["last"]) == (told["positions"][0], told["positions"][-1])
    assert (told["duplicates"], told["lost"]) == (0, 0)


def test_what_came_before_a_bad_line_is_published_and_the_answer_says_so(server: JupyterServer):
    answer = server.client.post("sse/before-bad", content=b'1\n\n2\n{"a": \n3\n', headers=LINES)
    assert answer.status_code == 400
    refusal = answer.json()
    assert (refusal["reason"], refusal["line"], refusal["count"]) == ("body", 4, 2)
    assert 'line 4: expected one JSON value, got "{' in refusal["message"]
    with server.read("sse/before-bad") as reader:
        events = reader.take(2)
    assert [event.data for event in events] == ["1", "2"]
    assert [event.id for event in events] == refusal["positions"]


def test_body_with_a_coding_is_refused(server: JupyterServer):
    answer = server.client.post("sse/coded", content=b"1", headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["reason"]) == (415, "content-encoding")


@pytest.mark.parametrize("name", ["a%20b", "a//b", "a@b", "%C3%A9"])
def test_publishing_to_an_invalid_name_is_refused(server: JupyterServer, name: str):
    answer = server.client.post(f"sse/{name}", content="1", headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["reason"] == "name"


def test_stream_that_a_kernel_runs_takes_no_posts(server: JupyterServer):
    link = Link(server.link_path, "pid-1", "cell 1")
    try:
        producer = link.open("owned", "run", timeout=10.0)
        answer = server.client.post("sse/owned", content="1", headers=JSON)
        assert answer.status_code == 409
        assert answer.json()["reason"] == "owned"
        assert "cell 1" in answer.json()["message"]
        producer.end("done")
        assert link.flush(10.0)
    finally:
        link.close()


def test_streams_are_listed_with_what_they_hold(server: JupyterServer):
    server.publish("listed/a", 1, 2, 3)
    listed = {stream["name"]: stream for stream in server.client.get("api/sse/streams").json()}
    stream = listed["listed/a"]
    assert (stream["state"], stream["kind"], stream["events"]) == ("live", "post", 3)
    assert stream["history"]["events"] == 3
    assert stream["subscribers"] == 0
    assert stream["end"] is None
    assert abs(stream["started_at"] / 1000 - time.time()) < 3600
    assert server.client.get("api/sse/streams/listed/a").json()["name"] == "listed/a"


def test_ending_a_stream_tells_its_readers_and_the_list(server: JupyterServer):
    server.publish("ending", 1)
    with server.read("sse/ending") as reader:
        reader.take(1)
        assert server.client.delete("api/sse/streams/ending").status_code == 204
        (end,) = reader.events()
    assert end.event == "sse.end"
    assert json.loads(end.data)["reason"] == "stopped"
    assert server.client.get("api/sse/streams/ending").json()["state"] == "ended"


def test_ending_a_run_tells_its_producer_to_stop(server: JupyterServer):
    link = Link(server.link_path, "pid-1", "cell 1")
    try:
        producer = link.open("stopping", "run", timeout=10.0)
        assert server.client.delete("api/sse/streams/stopping").status_code == 204
        command = link.next_command(10.0)
        while command is not None and command[0] != "stop":
            command = link.next_command(10.0)
        assert command == ("stop", producer.key)
    finally:
        link.close()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_unknown_stream_is_404(server: JupyterServer, method: str):
    answer = server.client.request(method, "api/sse/streams/no/such")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        '{"add": "a"}',
        '{"add": [1]}',
        '{"ad": ["a"]}',
        '{"remove": {"a": 1}}',
        '{"add": ["\\ud800"]}',
        "[" * 100_000,
    ],
    ids=lambda body: body[:20],
)
def test_bad_change_of_a_connection_is_refused(server: JupyterServer, body: str):
    answer = server.client.post("api/sse/connections/x", content=body)
    assert answer.status_code == 400
    assert '"add"' in answer.json()["message"]


@pytest.mark.parametrize("body", [json.dumps({"add": ["a"] * 10_001}), json.dumps({"add": ["a" * (5 << 20)]})], ids=len)
def test_change_of_too_many_streams_is_refused(server: JupyterServer, body: str):
    answer = server.client.post("api/sse/connections/x", content=body)
    assert answer.status_code == 413
    assert answer.json()["reason"] == "too-large"


def test_change_of_an_unknown_connection_is_404(server: JupyterServer):
    answer = server.client.post("api/sse/connections/x", json={"add": ["a"]})
    assert answer.status_code == 404
    assert answer.json()["reason"] == "unknown-connection"


def test_change_with_an_invalid_name_is_refused(server: JupyterServer):
    server.publish("changing", 1)
    with server.read("sse?stream=changing&control=1") as reader:
        connection = json.loads(reader.until("sse.open")[-1].data)["connection"]
        answer = server.client.post(f"api/sse/connections/{connection}", json={"add": ["a b"]})
    assert answer.status_code == 400
    assert answer.json()["reason"] == "name"


def test_metrics_count_what_happened(server: JupyterServer):
    before = server.client.get("api/sse/metrics").json()
    server.publish("metrics", 1, 2)
    with server.read("sse/metrics") as reader:
        reader.take(2)
    server.client.get("sse/no-such-metrics")
    after = server.client.get("api/sse/metrics").json()
    assert after["events"] - before["events"] == 2
    assert after["http"]["published"] - before["http"]["published"] == 2
    assert after["http"]["refused"]["404"] == before["http"]["refused"].get("404", 0) + 1
