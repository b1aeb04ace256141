"""Where a stream comes from: the notebook and the cell that started it, to which its output goes."""

from __future__ import annotations

import contextvars
import hashlib
import json
import logging
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from IPython.core.interactiveshell import InteractiveShell

LONGEST_NOTEBOOK_BYTES = 150


@dataclass(frozen=True)
class Origin:
    """The cell that starts something, or the program where there is no cell.

    Attributes:
        shell: IPython, where we are in it.
        parent: the message that asked for the cell's execution; None outside Jupyter kernels.
        cell_id: as the frontend told it.
        execution_count: the number in the cell's prompt.
        context: the context variables of the cell.
    """

    shell: InteractiveShell | None = None
    parent: Mapping[str, Any] | None = None
    cell_id: str | None = None
    execution_count: int | None = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @classmethod
    def here(cls) -> Origin:
        """Return the origin of the code that is running now."""
        shell = current_shell()
        if shell is None:
            return cls()
        parent = shell.get_parent() if hasattr(shell, "get_parent") else None
        metadata = (parent or {}).get("metadata") or {}
        # IPython's own counter moves on at a cell's start or at its end, depending on its version.
        result = getattr(shell.displayhook, "exec_result", None)
        count = getattr(result, "execution_count", None) or max(shell.execution_count - 1, 1)
        return cls(shell, parent or None, metadata.get("cellId"), count)

    @property
    def text(self) -> str:
        """What a person calls it, such as "cell 2"."""
        return Path(sys.argv[0]).name if self.execution_count is None else f"cell {self.execution_count}"

    @property
    def is_kernel(self) -> bool:
        """There is a frontend that shows rich output and can be told of changes in it."""
        return hasattr(getattr(self.shell, "display_pub", None), "pub_socket")

    @property
    def is_unattended(self) -> bool:
        """The cell was sent by a program that runs notebooks (nbclient, papermill): nobody can be asked for input."""
        content = (self.parent or {}).get("content") or {}
        return content.get("allow_stdin") is False

    def is_same_cell(self, other: Origin) -> bool:
        """Say whether both are the same cell, be it executed twice."""
        if self.cell_id is not None or other.cell_id is not None:
            return self.cell_id == other.cell_id
        return self.execution_count == other.execution_count

    def is_same_execution(self, other: Origin) -> bool:
        """Say whether both are one and the same execution of a cell, or of a program."""
        return self._execution == other._execution

    @property
    def _execution(self) -> tuple[Any, int | None]:
        return ((self.parent or {}).get("header") or {}).get("msg_id"), self.execution_count

    def run(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function, in this thread, with the cell's context, and with prints that go to the cell."""
        context = self.context.copy()
        context.run(self._call, function, arguments)

    def _call(self, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        with self.pinned():
            function(*arguments)

    def tell(self, text: str) -> None:
        """Say something to the person who started this: below the cell, or in the log of a plain program."""
        if self.shell is None:
            logging.getLogger("jupyter_sse").warning(text)
        else:
            self.run(sys.stderr.write, f"{text}\n")

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Send what this thread or task prints and displays to the cell, whichever cell runs meanwhile."""
        if self.parent is None or not hasattr(self.shell, "set_thread_parent"):
            yield
            return
        tokens = self.shell.set_thread_parent(self.parent)
        try:
            yield
        finally:
            self.shell.reset_thread_parent(tokens)

    def pin(self) -> None:
        """Do what ``pinned`` does until the end of this thread or task."""
        if self.parent is not None and hasattr(self.shell, "set_thread_parent"):
            self.shell.set_thread_parent(self.parent)


def current_shell() -> InteractiveShell | None:
    """Return IPython's shell, without importing IPython where nobody has."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None


def cell_stream_name(origin: Origin, notebook: str) -> str:
    """Return the name of a cell's stream: ``<notebook>/<cell id>``.

    Args:
        origin: the cell; one without an id goes by its number.
        notebook: the first part of the name, from ``notebook_name``.
    """
    return f"{notebook}/{_segment(origin.cell_id or str(origin.execution_count or origin.text))}"


def notebook_name(environment: Mapping[str, str], kernel: str) -> str:
    """Return the notebook's path below the server's root as a part of a stream's name, else ``kernel-<id8>``.

    At most 150 bytes: longer ones are cut, and end in a hash.
    """
    session = environment.get("JPY_SESSION_NAME", "")
    if not session:
        return f"kernel-{_segment(kernel.removeprefix('pid-')[:8])}"
    path = _below_root(session, environment)
    name = "/".join(_segment(part) for part in path.removesuffix(".ipynb").split("/") if part)
    if len(name) > LONGEST_NOTEBOOK_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"{name[: LONGEST_NOTEBOOK_BYTES - 17].rstrip('/')}-{digest}"
    return name or "notebook"


def _below_root(session: str, environment: Mapping[str, str]) -> str:
    root = _server_root(environment)
    path = os.path.normpath(session).replace(os.sep, "/")
    if root and path.startswith(root + "/"):
        return path[len(root) + 1 :]
    return path if not Path(session).is_absolute() else path.rpartition("/")[2]


def _server_root(environment: Mapping[str, str]) -> str | None:
    """Return the folder that the server shows, from the file in which it tells of itself."""
    runtime = environment.get("JUPYTER_RUNTIME_DIR") or _runtime_dir()
    server = environment.get("JPY_PARENT_PID", "")
    if runtime is None or not server.isdigit():
        return None
    try:
        text = Path(runtime, f"jpserver-{server}.json").read_text(encoding="utf-8")
        root = json.loads(text).get("root_dir")
    except (OSError, ValueError):
        return None
    return os.path.normpath(root).replace(os.sep, "/") if isinstance(root, str) else None


def _runtime_dir() -> str | None:
    paths = sys.modules.get("jupyter_core.paths")
    return paths.jupyter_runtime_dir() if paths is not None else None


def _segment(text: str) -> str:
    """Return a text as one segment of a stream's name.

    Spaces and such become dashes. Letters of other scripts would leave nothing but dashes, and so the same name for
    every notebook in that script: a hash of the text keeps them apart.
    """
    segment = re.sub(r"[^A-Za-z0-9._~-]", "-", text) or "-"
    if not text.isascii():
        return f"{segment}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return segment if segment.strip(".") else segment.replace(".", "-")
