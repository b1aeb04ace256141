"""Streams of a program whose server goes and comes, or that was forked."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jupyter_sse._rust import Hub
from jupyter_sse.place import LINK_VARIABLE
from jupyter_sse.subscribe import LocalStream, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestOutage:
    """What a program is told when its server goes and comes, with a real hub that does both."""

    PROGRAM = """
import functools, sys
import jupyter_sse as sse
from jupyter_sse import client, outage

outage.TOLD_AFTER = 0.1
client.Link = functools.partial(client.Link, max_unsent_bytes=1 << 16, overflow_after=0.3)
stream = sse.stream("out")
for line in sys.stdin:
    for _ in range(int(line)):
        stream.send("x" * 1_000)
    if line == "3\\n":
        stream.flush(10)
    print("sent", flush=True)
"""

    @contextlib.contextmanager
    def program(self, path: Path) -> Iterator[subprocess.Popen[str]]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_SSE")}
        with subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM],
            env={**environment, LINK_VARIABLE: f"0:{path}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            yield process
            process.stdin.close()

    def send(self, process: subprocess.Popen[str], count: int) -> None:
        process.stdin.write(f"{count}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "sent\n"

    def test_a_server_that_goes_and_comes_is_told_once_each(self, tmp_path: Path) -> None:
        path = tmp_path / "hub.sock"
        hub = Hub(link_path=str(path))
        with self.program(path) as process:
            self.send(process, 3)
            hub.close()
            assert "the Jupyter server is away (" in process.stderr.readline()
            self.send(process, 2)
            hub = Hub(link_path=str(path))
            assert re.search(r"is back after \d+ s; no event was lost", process.stderr.readline())
            self.send(process, 3)
            process.stdin.close()
            assert process.stderr.read() == ""
        hub.close()

    def test_losses_are_told_once_and_counted_when_the_server_is_back(self, tmp_path: Path) -> None:
        path = tmp_path / "hub.sock"
        hub = Hub(link_path=str(path))
        with self.program(path) as process:
            self.send(process, 3)
            hub.close()
            assert "is away" in process.stderr.readline()
            self.send(process, 1_000)
            assert "events are being dropped" in process.stderr.readline()
            self.send(process, 1_000)
            hub = Hub(link_path=str(path))
            told = process.stderr.readline()
            lost = int(re.search(r"is back after \d+ s; ([0-9,]+) events were lost", told)[1].replace(",", ""))
            process.stdin.close()
            assert process.stderr.read() == ""
        # The first three were received by the hub that is gone.
        kept = [event for event in Subscription(LocalStream(str(path), "out")) if event.event == "message"]
        hub.close()
        assert lost > 0
        assert len(kept) + lost == 2_000


class TestFork:
    """A child that was forked, and outlives a parent that ran the hub."""

    PROGRAM = """
import os, sys
import jupyter_sse as sse
from jupyter_sse.client import client

stream = sse.stream("parents")
stream.send(1)
stream.flush()
events = iter(sse.subscribe("parents"))
next(events)
forked, tell = os.pipe()
if os.fork():
    os.read(forked, 1)
    print(client().link_path, flush=True)
    os.read(0, 1)
else:
    # From here on it has closed what it is not to keep.
    os.write(tell, b"1")
    os.read(0, 1)
    os.write(1, b"child")
    os._exit(0)
"""

    def test_a_child_that_outlives_its_parent_keeps_none_of_its_sockets(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_SSE")}
        with subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as parent:
            path = parent.stdout.readline().decode().strip()
            with LocalStream(path, "parents").connect(None, is_return=False) as chunks:
                assert any(b"data: 1" in chunk for chunk in chunks)
                parent.kill()
                parent.wait(30)
                # The hub's connections end with it, and nobody listens where it did.
                assert b"".join(chunks) == b""
            with socket.socket(socket.AF_UNIX) as dialer, pytest.raises(ConnectionRefusedError):
                dialer.connect(path)
            # The child is there all the while.
            parent.stdin.close()
            assert parent.stdout.read() == b"child"
