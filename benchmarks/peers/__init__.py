"""The peers: the same events on the same schedule from other servers, each as kind to it as we know how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.asgi import FastAPI, SSEStarlette, Velithon
from benchmarks.peers.nchan import Nchan
from benchmarks.peers.tornado_server import PlainTornado

if TYPE_CHECKING:
    from benchmarks.server import Server

PEERS: dict[str, type[Server]] = {
    "nchan": Nchan,
    "tornado": PlainTornado,
    "sse-starlette": SSEStarlette,
    "fastapi": FastAPI,
    "velithon": Velithon,
}
"""By the names of the command line."""

USUAL = ("nchan", "tornado", "sse-starlette", "fastapi")
"""velithon on request only: its SSEResponse answers 500 as it is shipped."""
