"""Where the hub's socket stands, which kernels dial."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

LONGEST_PATH_BYTES = 100
"""A Unix socket's address holds 108 bytes on Linux and 104 on macOS, with the closing zero."""


def socket_path(runtime_dir: str, pid: int) -> Path:
    """Return where this server's socket goes: Jupyter's runtime folder, or a private one if its path is too long."""
    name = f"jpserver-{pid}-sse.sock"
    path = Path(runtime_dir) / name
    if len(os.fsencode(path)) <= LONGEST_PATH_BYTES:
        return path
    return private_folder() / name


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
