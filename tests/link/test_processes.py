"""The links of processes that fork, die or end."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from link.far_side import PATIENCE, eventually

if TYPE_CHECKING:
    from jupyter_sse._rust import Hub

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need Unix sockets")


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
