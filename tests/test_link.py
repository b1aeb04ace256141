"""The link of a process, against a real hub on a real socket, and against a server that never reads."""

from __future__ import annotations

import _thread
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_sse._rust import Decoder, Hub, Link, ServerSentEvent
from jupyter_sse.error import (
    EncodeError,
    EventTooLargeError,
    LinkError,
    OwnedError,
    StreamEndedError,
    StreamNameError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUBSCRIBE = 2
WELCOME = 65
PATIENCE = 20.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need Unix sockets")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "hub.sock")


@pytest.fixture
def hub(path: str) -> Iterator[Hub]:
    hub = Hub(link_path=path)
    yield hub
    hub.close()


@pytest.fixture
def link(hub: Hub, path: str) -> Iterator[Link]:
    link = Link(path, "kernel-1", "notebook.ipynb")
    yield link
    link.close(0)


def eventually(look: Callable[[], Any]) -> Any:
    """Return what `look` finds in the end. For a state that nobody announces."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)
    return found


def read(path: str, name: str, count: int) -> list[ServerSentEvent]:
    """Read the next events of a stream from the hub's socket, from its history on."""
    query = json.dumps({"streams": [name], "control": False}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(struct.pack("<IBI", 5 + len(query), SUBSCRIBE, len(query)) + query)
        file = connection.makefile("rb")
        file.read(struct.unpack("<I", file.read(4))[0])
        decoder, events = Decoder(), []
        while len(events) < count:
            events += decoder.feed(file.read1())
    return events


def command(link: Link, kind: str) -> tuple[Any, ...]:
    """Return the next command of a kind."""
    while True:
        found = link.next_command(PATIENCE)
        assert found is not None, f"no command {kind!r} came"
        if found[0] == kind:
            return found


@contextmanager
def silent_server(path: str) -> Iterator[None]:
    """Welcome the first link, and then read nothing that it says."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        connections = []

        def welcome() -> None:
            connection = listener.accept()[0]
            connections.append(connection)
            payload = struct.pack("<BHIBQI", WELCOME, 1, 0, 0, 0, 0)
            connection.sendall(struct.pack("<I", len(payload)) + payload)

        thread = threading.Thread(target=welcome)
        thread.start()
        yield
        thread.join()
        for connection in connections:
            connection.close()


def is_full(link: Link, bound: int) -> bool:
    return link.stats()["unconfirmed_bytes"] > 0.9 * bound


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


# --- no server, a new server, a stuck server ------------------------------------------------------------------------


def test_without_a_server_nothing_waits_and_all_arrives_once_there_is_one(path: str) -> None:
    link = Link(path, "kernel-1", "notebook.ipynb")
    producer = link.open("a", "run", timeout=PATIENCE)
    assert (producer.run, link.linked) == (None, False)
    producer.send("early")
    assert not link.flush(0.01)
    with pytest.raises(LinkError, match="no server is connected"):
        link.request("{}", 0.01)
    hub = Hub(link_path=path)
    assert link.flush(PATIENCE)
    assert producer.run == 1
    assert read(path, "a", 1)[0].data == "early"
    link.close()
    hub.close()


def test_a_server_that_was_started_anew_gets_the_stream_and_everything_unconfirmed(path: str) -> None:
    hub = Hub(link_path=path)
    link = Link(path, "kernel-1", "notebook.ipynb")
    producer = link.open("a", "run")
    producer.send("confirmed")
    assert link.flush(PATIENCE)
    hub.close()
    command(link, "unlinked")
    for number in range(1000):
        producer.send(str(number))
    hub = Hub(link_path=path)
    assert link.flush(PATIENCE)
    assert [event.data for event in read(path, "a", 1000)] == [str(number) for number in range(1000)]
    link.close()
    hub.close()


def test_a_refusal_that_comes_late_is_a_command_and_an_error_at_the_next_send(
    hub: Hub, path: str, tmp_path: Path
) -> None:
    other = Link(path, "kernel-2", "other.ipynb")
    other.open("a", "run")
    later = tmp_path / "later.sock"
    link = Link(later, "kernel-1", "notebook.ipynb")
    producer = link.open("a", "run", timeout=PATIENCE)
    later.symlink_to(path)
    kind, key, message = command(link, "refused")
    assert (kind, key) == ("refused", producer.key)
    assert "other.ipynb" in message
    with pytest.raises(OwnedError, match=r"other\.ipynb"):
        producer.send("late")
    link.close(0)
    other.close(0)


def test_send_at_a_stuck_server_waits_without_the_gil_until_ctrl_c(path: str) -> None:
    bound = 1 << 20
    with silent_server(path):
        link = Link(path, "kernel-1", "notebook.ipynb", max_unsent_bytes=bound)
        command(link, "linked")
        producer = link.open("a", "run", timeout=0)

        def interrupt() -> None:
            # That this thread gets so far shows that the wait holds no GIL.
            eventually(lambda: is_full(link, bound))
            _thread.interrupt_main(signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            while True:
                producer.send("x" * 1000)
        thread.join()
        stats = link.stats()
        assert stats["unconfirmed_bytes"] <= bound
        assert stats["lost_events"] == 0
        link.close(0)


def test_offer_at_a_stuck_server_gives_the_event_back_and_waits_for_nothing(path: str) -> None:
    with silent_server(path):
        link = Link(path, "kernel-1", "notebook.ipynb", max_unsent_bytes=1 << 20)
        command(link, "linked")
        producer = link.open("a", "run", timeout=0)
        count = 0
        while producer.offer("x" * 1000) is None:
            count += 1
        unsent = producer.offer({"data": {"a": "x" * 1000}, "id": 7})
        assert unsent == ServerSentEvent('{"a":"%s"}' % ("x" * 1000), id=7)
        assert link.stats()["queued_events"] == count > 900
        link.close(0)


def test_flush_and_request_can_be_interrupted(path: str) -> None:
    with silent_server(path):
        link = Link(path, "kernel-1", "notebook.ipynb")
        producer = link.open("a", "run", timeout=0)
        producer.send("x")
        waits: list[Callable[[], object]] = [lambda: link.flush(None), lambda: link.request("{}", PATIENCE)]
        for wait in waits:
            timer = threading.Timer(0.05, _thread.interrupt_main, (signal.SIGINT,))
            with pytest.raises(KeyboardInterrupt):
                timer.start()
                wait()
            timer.join()
        link.close(0)


def test_a_stuck_server_costs_the_oldest_events_which_are_counted_and_told(path: str) -> None:
    bound = 1 << 20
    with silent_server(path):
        link = Link(path, "kernel-1", "notebook.ipynb", max_unsent_bytes=bound, overflow_after=0.2)
        command(link, "linked")
        producer = link.open("a", "run", timeout=0)
        for _ in range(4000):
            producer.send("x" * 1000)
        stats = link.stats()
        assert stats["unconfirmed_bytes"] <= bound
        assert stats["queued_events"] == 4000
        assert command(link, "lost") == ("lost", producer.key, stats["lost_events"])
        link.close(0)


def test_close_lets_a_waiting_send_go(path: str) -> None:
    bound = 1 << 20
    with silent_server(path):
        link = Link(path, "kernel-1", "notebook.ipynb", max_unsent_bytes=bound)
        command(link, "linked")
        producer = link.open("a", "run", timeout=0)
        errors = []

        def work() -> None:
            try:
                while True:
                    producer.send("x" * 1000)
            except LinkError as error:
                errors.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        eventually(lambda: is_full(link, bound))
        assert not link.close(0)
        thread.join(PATIENCE)
        assert errors == ["the link is closed; open the stream anew"]
        assert link.next_command(None) is None
        producer.end("done")


def test_a_link_to_a_path_that_no_socket_can_have_is_an_os_error() -> None:
    with pytest.raises(OSError, match="the link cannot start"):
        Link("/tmp/" + "x" * 200, "kernel-1", "notebook.ipynb")


# --- processes ------------------------------------------------------------------------------------------------------


def run_program(source: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python program that has a link, and talks to us over its standard streams."""
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(source), *arguments]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_forked_child_leaves_the_link_alone_and_has_its_own(hub: Hub, path: str) -> None:
    program = """
        import os, sys, threading
        from jupyter_sse._rust import Link
        from jupyter_sse.error import LinkError
        link = Link(sys.argv[1], "kernel-1", "parent")
        producer = link.open("a", "send")
        # So that locks of the link are likely to be held at the moment of the fork.
        busy = threading.Thread(target=lambda: [producer.send("x") for _ in range(200_000)], daemon=True)
        busy.start()
        for number in range(20):
            child = os.fork()
            if child == 0:
                link.abandon()
                try:
                    producer.send("from the child")
                except LinkError as error:
                    assert "forked" in str(error), error
                else:
                    os._exit(3)
                producer.end("done")
                assert not link.flush(1) and link.next_command(None) is None and not link.linked
                del link, producer
                own = Link(sys.argv[1], "kernel-1", "child")
                mine = own.open("a", "send")
                mine.send(f"child {number}")
                mine.end("done")
                os._exit(0 if own.close(10) else 4)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        busy.join()
        producer.send("parent")
        print(link.flush(10) and link.stats()["links"])
        link.close()
    """
    process = run_program(program, path)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "1\n")
    assert json.loads(hub.stream("a"))["events"] == 200_000 + 20 + 1


def test_the_parents_death_is_seen_though_its_child_lives(hub: Hub, path: str) -> None:
    program = """
        import os, signal, sys
        from jupyter_sse._rust import Link
        link = Link(sys.argv[1], "kernel-1", "parent")
        producer = link.open("a", "run")
        if os.fork() == 0:
            link.abandon()
            print("ready", flush=True)
            sys.stdin.read()
            os._exit(0)
        signal.pause()
    """
    process = run_program(program, path)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    assert eventually(lambda: json.loads(hub.stream("a"))["state"] == "ended")
    assert json.loads(hub.stream("a"))["end"]["reason"] == "lost"
    process.stdin.close()


def test_a_program_that_closes_nothing_ends_in_time(hub: Hub, path: str) -> None:
    program = """
        import sys, threading
        from jupyter_sse._rust import Link
        link = Link(sys.argv[1], "kernel-1", "program")
        nobody = Link(sys.argv[1] + ".none", "kernel-1", "program")
        producer = link.open("a", "run")
        threading.Thread(target=link.next_command, daemon=True).start()
        threading.Thread(target=nobody.next_command, daemon=True).start()
        threading.Thread(target=nobody.request, args=("{}", 60), daemon=True).start()
        nobody.open("a", "run").send("x")
        producer.send("x")
    """
    process = run_program(program, path)
    assert process.wait(timeout=PATIENCE) == 0


def test_a_server_that_is_gone_is_no_sigpipe(path: str) -> None:
    program = """
        import signal, socket, struct, sys
        from jupyter_sse._rust import Link
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1])
        listener.listen()
        link = Link(sys.argv[1], "kernel-1", "program")
        connection = listener.accept()[0]
        payload = struct.pack("<BHIBQI", 65, 1, 0, 0, 0, 0)
        connection.sendall(struct.pack("<I", len(payload)) + payload)
        assert link.next_command() == ("linked",)
        connection.shutdown(socket.SHUT_RD)
        link.open("a", "run", timeout=0).send("x")
        assert link.next_command()[0] == "unlinked"
    """
    assert run_program(program, path).wait(timeout=PATIENCE) == 0
