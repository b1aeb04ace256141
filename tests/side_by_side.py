"""Tests in several processes: which of them take turns, and which go together into one process."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent

DOOR, ROOM = HERE / "conftest.py", Path(__file__)
"""What is locked: files that are there anyway, so that nothing is left behind, however a process ends."""

IN_ONE_PROCESS = "tests/e2e/"
"""Tests that share a JupyterLab and a browser, also across files: neither is to be started twice."""


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Hold the machine for a test: beside those of other processes, or alone.

    Who wants to be alone waits in the door for those inside to leave, and lets nobody in meanwhile.
    """
    with DOOR.open() as door, ROOM.open() as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Closing would not do where a child process has the file too.
            fcntl.flock(room, fcntl.LOCK_UN)


def by_file(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Return what gives each process one file after the other: what a file's tests share is started once."""
    # There only where tests run in several processes.
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return IN_ONE_PROCESS if path.startswith(IN_ONE_PROCESS) else path

    # The longest come first by name; by the number of their tests they would not.
    config.option.loadscopereorder = False
    return ByFile(config, log)
