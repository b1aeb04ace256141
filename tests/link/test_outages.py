"""The link of a process where there is no server, a new one, or one that never reads."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from jupyter_sse._rust import Hub, Link, ServerSentEvent
from jupyter_sse.error import LinkError, OwnedError
from link.far_side import PATIENCE, command, eventually, is_full, read, silent_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need Unix sockets")


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
