"""The peers written in Python, one process each: on uvicorn (uvloop, httptools) where nothing else is said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.machine import cores_of_servers
from benchmarks.peers import environment
from benchmarks.program import Program, accepts, free_port
from benchmarks.server import ROOT, Inside

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.setting import Setting

QUIET = ("--no-access-log", "--log-level", "warning", "--backlog", "4096")


class ASGIServer(Inside):
    """Serves one of the modules beside this one.

    Attributes:
        module: Which.
        packages: What it needs beyond the usual.
    """

    module: str
    packages: tuple[str, ...] = ()

    def __init__(self, setting: Setting) -> None:
        port = free_port()
        command = self.command(environment.python(*self.packages), port)
        log = setting.log(self.module)
        # A package of this folder only: nothing of ours is installed there.
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        program = Program(command, cores_of_servers(), log, environment=environ)
        program.wait_for(lambda: accepts(port))
        super().__init__(program, self.name, f"http://127.0.0.1:{port}/")

    def command(self, python: Path, port: int) -> list[str]:
        """Return what starts it."""
        return [str(python), "-m", "uvicorn", f"benchmarks.peers.{self.module}:app", f"--port={port}", *QUIET]


class FastAPI(ASGIServer):
    """FastAPI's EventSourceResponse."""

    name = "FastAPI"
    module = "fastapi_app"


class SSEStarlette(ASGIServer):
    """sse-starlette's EventSourceResponse on Starlette."""

    name = "sse-starlette"
    module = "starlette_app"


class Velithon(ASGIServer):
    """velithon's SSEResponse, repaired; on the server that it comes with, which is no ASGI server."""

    name = "velithon"
    module = "velithon_app"
    packages = ("velithon",)

    def command(self, python: Path, port: int) -> list[str]:
        """Return what starts it."""
        app = f"benchmarks.peers.{self.module}:app"
        return [str(python.with_name("velithon")), "run", "--app", app, "--host", "127.0.0.1", "--port", str(port)]
