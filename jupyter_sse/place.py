"""Where a process finds the hub that holds its streams, and what it is called there."""

from __future__ import annotations

import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_sse.origin import notebook_name

if TYPE_CHECKING:
    from collections.abc import Mapping

LINK_VARIABLE = "JUPYTER_SSE_LINK"
"""Set by the server for all its kernels: ``<server pid>:<path of the hub's socket>``."""

KERNEL_VARIABLE = "JUPYTER_SSE_KERNEL"
"""Set by a kernel for its child processes: ``<kernel>:<path of the hub's socket>``."""

_PROBE_TIMEOUT = 1.0


@dataclass(frozen=True)
class Place:
    """Where the hub is and who we are.

    Attributes:
        link_path: the hub's Unix socket; None where this process is to run the hub.
        kernel: who produces: the kernel's id, also in its child processes, else ``pid-<pid>``.
        label: what a person calls us.
        notebook: the first part of the names of this process's cells.
    """

    link_path: str | None
    kernel: str
    label: str
    notebook: str


def find_place(environment: Mapping[str, str]) -> Place:
    """Find the hub by the environment, and what we are by the kernel's connection file.

    Reads no other process's files and asks nobody.
    """
    kernel = _kernel_id()
    if kernel is not None:
        link_path = _server_link(environment)
    else:
        kernel, link_path = _parent_kernel(environment)
        link_path = link_path or _server_link(environment)
    notebook = notebook_name(environment, kernel)
    session = environment.get("JPY_SESSION_NAME")
    label = Path(session).name if session else notebook if _kernel_id() else Path(sys.argv[0]).name or "python"
    return Place(link_path, kernel, label, notebook)


def _kernel_id() -> str | None:
    """Return the id in the name of this kernel's connection file; None outside kernels."""
    module = sys.modules.get("ipykernel.kernelapp")
    if module is None or not module.IPKernelApp.initialized():
        return None
    connection_file = Path(module.IPKernelApp.instance().connection_file).stem
    match = re.fullmatch(r"kernel-([0-9a-f-]{36})", connection_file)
    return match[1] if match else f"pid-{os.getpid()}"


def _parent_kernel(environment: Mapping[str, str]) -> tuple[str, str | None]:
    kernel, _, path = environment.get(KERNEL_VARIABLE, "").partition(":")
    return (kernel, path) if kernel and _answers(path) else (f"pid-{os.getpid()}", None)


def _server_link(environment: Mapping[str, str]) -> str | None:
    server, _, path = environment.get(LINK_VARIABLE, "").partition(":")
    # A kernel of another server inherits the variable when that server was started from a notebook or terminal of ours.
    if environment.get("JPY_PARENT_PID", server) != server:
        return None
    return path if _answers(path) else None


def _answers(path: str) -> bool:
    """Say whether somebody listens at a Unix socket. A dead server leaves its socket behind."""
    if not path or not hasattr(socket, "AF_UNIX"):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
