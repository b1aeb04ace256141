"""Where the hub's socket stands, which kernels dial."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_PATH_BYTES = 100
"""A Unix socket's address holds 108 bytes on Linux and 104 on macOS, with the closing zero."""


def socket_places(runtime_dir: str) -> Iterator[str | None]:
    """Yield where this process's socket may go, the best place first; ``None`` where there are no such sockets.

    Jupyter's runtime folder comes first, unless the path would be too long. It may also lie on a file system that
    knows no sockets: therefore the private folder second, or one of this process alone where that is not private.

    Raises:
        OSError: Nowhere can a folder be made.
    """
    if sys.platform == "win32":
        yield None
        return
    name = f"jpserver-{os.getpid()}-sse.sock"
    usual = str(Path(runtime_dir) / name)
    if len(os.fsencode(usual)) <= LONGEST_PATH_BYTES:
        yield usual
    try:
        folder = private_folder()
    except OSError:
        # Its name is known: whoever may write to the folder for temporary files must not keep a server from starting.
        folder = process_folder()
    yield str(folder / name)


def private_folder() -> Path:
    """Return a folder that only this user can enter, made where there is none.

    Raises:
        PermissionError: A folder of that name is someone else's, or open to others.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    user = os.getuid()
    folder = Path(base) / f"jupyter_sse-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != user or status.st_mode & 0o077:
        raise PermissionError(
            f"expected {folder} to belong to user {user} alone (mode 0700), got user {status.st_uid} and mode "
            f"{status.st_mode & 0o777:o}; remove it, or set SSEApp.link_path"
        )
    return folder


def process_folder() -> Path:
    """Return a new folder that only this user can enter; it goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="jupyter_sse-"))
    atexit.register(remove_empty, folder)
    return folder


def remove_empty(folder: Path) -> None:
    """Remove a folder, unless something stands in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
