"""The peers on uvicorn (uvloop, httptools), one process each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.machine import cores_of_servers
from benchmarks.peers import environment
from benchmarks.program import Program, accepts, free_port
from benchmarks.server import ROOT, Inside

if TYPE_CHECKING:
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
        python = environment.python(*self.packages)
        command = [str(python), "-m", "uvicorn", f"benchmarks.peers.{self.module}:app", f"--port={port}", *QUIET]
        log = setting.log(self.module)
        # A package of this folder only: nothing of ours is installed there.
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        program = Program(command, cores_of_servers(), log, environment=environ)
        program.wait_for(lambda: accepts(port))
        super().__init__(program, self.name, f"http://127.0.0.1:{port}/")


class FastAPI(ASGIServer):
    """FastAPI's EventSourceResponse."""

    name = "FastAPI"
    module = "fastapi_app"


class SSEStarlette(ASGIServer):
    """sse-starlette's EventSourceResponse on Starlette."""

    name = "sse-starlette"
    module = "starlette_app"


class Velithon(ASGIServer):
    """velithon's SSEResponse."""

    name = "velithon"
    module = "velithon_app"
    packages = ("velithon",)
