"""A program beside this one: pinned to its cores, told what to do by lines, answering by lines of JSON."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Program:
    """A process that ends with the context.

    Args:
        command: What to run.
        cores: Where; see :mod:`benchmarks.machine`.
        log: Takes what it says on standard error (and output, where nobody asks).
        talks: Whether it is told what to do; see :meth:`ask`.
        environment: Its whole environment.
        niceness: What it gives way to others, as of nice(1).
    """

    def __init__(
        self,
        command: Sequence[str],
        cores: set[int],
        log: Path,
        talks: bool = False,
        environment: dict[str, str] | None = None,
        niceness: int = 0,
    ) -> None:
        self.log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else errors,
                stderr=errors,
                text=True,
                env=environment,
                preexec_fn=partial(settle, cores, niceness),
            )
        self.pid = self._process.pid
        # Also where what was to close it could not be made.
        atexit.register(self.close)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End it: with its input where it listens to that, else with a signal; it has five seconds."""
        atexit.unregister(self.close)
        if self._process.stdin is None:
            self._process.send_signal(signal.SIGTERM)
        else:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tell(self, order: str) -> None:
        """Give it an order."""
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return its next line.

        Raises:
            RuntimeError: It has ended; the message is the end of its log.
        """
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} has ended: {self.last_words()}")
        return json.loads(line)

    def ask(self, order: str) -> dict[str, Any]:
        """Give it an order and return its answer."""
        self.tell(order)
        return self.hear()

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def wait_for(self, is_up: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until it is up.

        Raises:
            RuntimeError: It has ended, or does not come up; the message is the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._process.args} does not come up: {self.last_words()}")
            time.sleep(0.05)


def settle(cores: set[int], niceness: int) -> None:
    """Take the place of a child process."""
    os.sched_setaffinity(0, cores)
    if niceness:
        os.nice(niceness)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get_json(url: str, headers: dict[str, str] | None = None, method: str = "GET", timeout: float = 120.0) -> Any:
    """Return the JSON that a server of this machine answers with; None where it answers nothing."""
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(request, timeout=timeout, context=trusting) as response:
        return json.loads(response.read() or b"null")
