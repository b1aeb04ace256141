"""The load generator (``rust/load``) from here: readers that count, and the bare loop of ``send()``."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import cores_of_clients, cores_of_servers
from benchmarks.program import Program

if TYPE_CHECKING:
    from benchmarks.setting import Setting

SOURCES = Path(__file__).parent.parent / "rust" / "load"
BINARY = SOURCES.parent / "target" / "release" / "jupyter-sse-load"

_runs = itertools.count(1)


def build() -> None:
    """Build the load generator."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--features", "tls"], cwd=SOURCES, check=True)


@dataclass(frozen=True)
class Address:
    """Where a stream is read.

    Attributes:
        url: Its URL.
        headers: Header lines of the request, such as a login.
    """

    url: str
    headers: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return it as the load generator's arguments."""
        return ["--url", self.url, *(word for header in self.headers for word in ("--header", header))]


class Readers(Program):
    """Connected readers of one stream.

    Args:
        setting: Where logs go.
        address: The stream.
        connections: How many.
        options: Further arguments of the load generator.
        cores: Where they run; None: where clients do.
        niceness: What they give way to others.

    Attributes:
        ready: What was found when all had their answer.

    Raises:
        RuntimeError: Not all were let in.
    """

    def __init__(
        self,
        setting: Setting,
        address: Address,
        connections: int,
        *options: str,
        cores: set[int] | None = None,
        niceness: int = 0,
    ) -> None:
        command = [str(BINARY), "--mode", "read", *address.arguments(), "--connections", str(connections), *options]
        where = cores or cores_of_clients()
        super().__init__(command, where, setting.log("readers"), talks=True, niceness=niceness)
        self.connections = connections
        self.ready = self.hear()
        if self.ready["ready"] < connections:
            self.close()
            raise RuntimeError(f"expected {connections} readers of {address.url}, got {self.ready}")

    def begin(self) -> int:
        """Forget what was counted; return the number of the run that begins."""
        run = next(_runs)
        self.ask(f"begin {run}")
        return run

    def end(self, last: int, patience: float = 1.5) -> dict[str, Any]:
        """Return what was counted once everybody has event ``last``, or nothing has come for ``patience`` seconds."""
        return self.ask(f"end {last} {patience}")


def fetch(setting: Setting, address: Address, requests: int, inflight: int = 16) -> dict[str, Any]:
    """Ask for ``address`` on so many new connections and return what was found."""
    words = ["--mode", "get", *address.arguments(), "--connections", str(requests), "--inflight", str(inflight)]
    with Program([str(BINARY), *words], cores_of_clients(), setting.log("readers"), talks=True) as program:
        return program.hear()


class Sender(Program):
    """The bare loop of ``send()``: a server that can nothing else."""

    def __init__(self, setting: Setting) -> None:
        command = [str(BINARY), "--mode", "send", "--port", "0"]
        super().__init__(command, cores_of_servers(), setting.log("send"), talks=True)
        self.address = Address(f"http://127.0.0.1:{self.hear()['port']}/")
