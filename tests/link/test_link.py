"""The link of a process, against a real hub on a real socket."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import pytest

from jupyter_sse._rust import Hub, Link
from jupyter_sse.error import (
    EncodeError,
    EventTooLargeError,
    OwnedError,
    StreamEndedError,
    StreamNameError,
)
from link.far_side import PATIENCE, command, eventually, read

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need Unix sockets")


# --- sending --------------------------------------------------------------------------------------------------------


def test_send_every_field_arrives_as_it_was_given(link: Link, path: str) -> None:
    producer = link.open("a", "run")
    producer.send("plain text")
    producer.send({"loss": 0.5}, "metric", 17)
    producer.send("two\r\nlines", None, "own", 3000)
    assert link.flush(PATIENCE)
    events = read(path, "a", 3)
    assert [(event.event, event.data) for event in events] == [
        ("message", "plain text"),
        ("metric", '{"loss":0.5}'),
        ("message", "two\nlines"),
    ]
    assert [event.id for event in events[1:]] == ["17", "own"]


def test_open_tells_the_run_and_the_server(link: Link) -> None:
    first = link.open("a", "run")
    assert (first.name, first.run) == ("a", 1)
    second = link.open("a", "run")
    assert second.run == 2
    assert second.key != first.key
    assert repr(second) == '<Producer of "a", run 2>'
    assert link.linked
    assert json.loads(link.server())["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        (("x", "a\nb"), EncodeError, "event"),
        (("x", "sse.end"), EncodeError, "event"),
        (("x", None, "a\rb"), EncodeError, "id"),
        (("x", None, "a\0b"), EncodeError, "id"),
        (("x", None, None, -1), EncodeError, "retry"),
        (("x", None, None, 0.5), EncodeError, "retry"),
        (("lone \ud800",), EncodeError, "data"),
        ((b"12",), EncodeError, "data"),
        (("x" * (1 << 20),), EventTooLargeError, "data"),
    ],
)
def test_send_of_a_wrong_field_names_it_and_leaves_the_stream_intact(
    link: Link, path: str, fields: tuple[Any, ...], error: type[Exception], field: str
) -> None:
    producer = link.open("a", "run")
    producer.send("before")
    with pytest.raises(error, match=f"^{field}: expected .*, got "):
        producer.send(*fields)
    producer.send("after")
    assert [event.data for event in read(path, "a", 2)] == ["before", "after"]


def test_a_hundred_thousand_events_of_four_threads_arrive_each_once_and_in_order(path: str) -> None:
    count, threads = 25_000, 4
    hub = Hub(link_path=path, history_events=count * threads, history_bytes=1 << 30)
    link = Link(path, "kernel-1", "notebook.ipynb")
    producer = link.open("a", "send")

    def work(thread: int) -> None:
        for number in range(count):
            producer.send([thread, number])

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert link.flush(PATIENCE)
    got: list[list[int]] = [[] for _ in range(threads)]
    for event in read(path, "a", count * threads):
        thread, number = json.loads(event.data)
        got[thread].append(number)
    assert got == [list(range(count))] * threads
    assert link.close(PATIENCE)
    hub.close()


# --- what the hub says ----------------------------------------------------------------------------------------------


def test_open_of_a_stream_that_another_kernel_runs_says_who(link: Link, path: str) -> None:
    link.open("a", "run")
    other = Link(path, "kernel-2", "other.ipynb")
    with pytest.raises(OwnedError, match=r"notebook\.ipynb"):
        other.open("a", "run")
    other.close(0)


def test_open_of_a_name_that_is_none_says_which_rule_it_breaks(link: Link) -> None:
    with pytest.raises(StreamNameError, match=r"got 'a//b'; "):
        link.open("a//b", "run")


@pytest.mark.parametrize("kind", ["post", "", "Run"])
def test_open_of_another_kind_is_refused(link: Link, kind: str) -> None:
    with pytest.raises(ValueError, match="kind: expected 'run', 'send', 'route' or 'visit', got"):
        link.open("a", kind)  # type: ignore[arg-type]


def test_stop_of_a_stream_comes_as_a_command(hub: Hub, link: Link) -> None:
    producer = link.open("a", "run")
    assert hub.end("a")
    assert command(link, "stop") == ("stop", producer.key)
    producer.end("stopped")
    assert eventually(lambda: json.loads(hub.stream("a"))["state"] == "ended")


def test_end_tells_the_reason_and_the_error(hub: Hub, link: Link) -> None:
    producer = link.open("a", "run")
    producer.end("error", '{"type": "ValueError", "message": "no"}')
    assert link.flush(PATIENCE)
    assert json.loads(hub.stream("a"))["end"] == {
        "reason": "error",
        "error": {"type": "ValueError", "message": "no", "line": None},
    }
    producer.end("done")
    with pytest.raises(StreamEndedError, match='"a" has ended; open it again'):
        producer.send("late")
    with pytest.raises(ValueError, match="reason: expected 'done'"):
        producer.end("finished")  # type: ignore[arg-type]


def test_request_returns_status_and_json(link: Link) -> None:
    link.open("a", "run")
    status, body = link.request('{"op": "list"}')
    assert (status, [stream["name"] for stream in json.loads(body)]) == (200, ["a"])
    assert link.request('{"op": "stream", "name": "unknown"}')[0] == 404
