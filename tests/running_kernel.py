"""Real kernels, and all that their cells put out, also after they have returned."""

from __future__ import annotations

import ast
import os
import queue
import re
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from running_server import TIMEOUT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from running_server import JupyterServer

OUTPUTS = ("stream", "display_data", "execute_result", "error", "update_display_data")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
MIME_TYPE = "application/vnd.jupyter-sse.v1+json"


class Cell:
    """One execution of a cell.

    Attributes:
        status: "ok" or "error".
        seconds: how long the execution took.
        outputs: so far, as (message type, content).
    """

    def __init__(self, outputs: list[tuple[str, dict[str, Any]]]) -> None:
        self.outputs = outputs
        self.status = ""
        self.seconds = 0.0

    @property
    def stdout(self) -> str:
        """What was printed."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """What was said."""
        return self._text("stderr")

    def _text(self, name: str) -> str:
        return "".join(
            content["text"] for kind, content in self.outputs if kind == "stream" and content["name"] == name
        )

    @property
    def error(self) -> str:
        """The traceback, without colours; empty where there is none."""
        found = [content["traceback"] for kind, content in self.outputs if kind == "error"]
        return COLOURS.sub("", "\n".join(found[-1])) if found else ""

    @property
    def displays(self) -> list[dict[str, Any]]:
        """The bundles that were displayed, updates not among them."""
        return [content["data"] for kind, content in self.outputs if kind in ("display_data", "execute_result")]

    @property
    def updates(self) -> list[dict[str, Any]]:
        """The bundles that displays were updated with."""
        return [content["data"] for kind, content in self.outputs if kind == "update_display_data"]

    @property
    def result(self) -> str:
        """The text of the value of the last expression."""
        return next(content["data"]["text/plain"] for kind, content in self.outputs if kind == "execute_result")

    def wait(self, condition: Callable[[Cell], Any], what: str, timeout: float = TIMEOUT) -> Any:
        """Wait for an output that comes after the cell has returned."""
        return wait_until(lambda: condition(self), f"{what}; outputs: {self.outputs!r}", timeout)


class CellKernel:
    """A kernel that cells are sent to, as a notebook does."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self._outputs: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        self._idle: set[str] = set()
        self._is_open = True
        client.start_channels()
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()
        # jupyter_client's own wait takes a kernel for dead whose heartbeat comes late, on a machine that is busy.
        wait_until(self.answers, "the kernel answers", timeout=60)

    def _collect(self) -> None:
        while self._is_open:
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            parent = message["parent_header"].get("msg_id", "")
            kind, content = message["header"]["msg_type"], message["content"]
            if kind in OUTPUTS:
                self._outputs[parent].append((kind, content))
            elif kind == "status" and content["execution_state"] == "idle":
                self._idle.add(parent)

    def answers(self) -> bool:
        """Say whether the kernel answers, and its outputs arrive."""
        request = self.client.kernel_info()
        deadline = time.monotonic() + 2
        try:
            # Earlier questions may be answered only now.
            while self.client.get_shell_msg(timeout=1)["parent_header"].get("msg_id") != request:
                pass
        except queue.Empty:
            return False
        while request not in self._idle and time.monotonic() < deadline:
            time.sleep(0.01)
        return request in self._idle

    def send(self, code: str, cell_id: str | None = None, *, allow_stdin: bool = True) -> tuple[str, Cell]:
        """Ask for an execution, and do not wait for it."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": True,
        }
        metadata = {} if cell_id is None else {"cellId": cell_id}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        request = message["header"]["msg_id"]
        return request, Cell(self._outputs[request])

    def finish(self, request: str, cell: Cell, timeout: float = 60) -> Cell:
        """Wait for the reply, and for all that came before it."""
        begun = time.monotonic()
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == request:
                break
        cell.seconds = time.monotonic() - begun
        cell.status = reply["content"]["status"]
        wait_until(lambda: request in self._idle, "the cell is idle")
        return cell

    def run(self, code: str, cell_id: str | None = None, *, timeout: float = 60, allow_stdin: bool = True) -> Cell:
        """Execute a cell."""
        return self.finish(*self.send(code, cell_id, allow_stdin=allow_stdin), timeout)

    def good(self, code: str, cell_id: str | None = None, **options: Any) -> Cell:
        """Execute a cell that must not fail."""
        cell = self.run(code, cell_id, **options)
        assert cell.status == "ok", cell.error or cell.stderr
        return cell

    def value(self, expression: str) -> Any:
        """Evaluate an expression whose value is plain."""
        return ast.literal_eval(self.good(f"print(repr({expression}))").stdout)

    def wait(self, expression: str, timeout: float = TIMEOUT) -> Any:
        """Wait until an expression is true; return its value."""
        return wait_until(lambda: self.value(expression), expression, timeout)

    def close(self) -> None:
        """Stop listening."""
        self._is_open = False
        self._collector.join()
        self.client.stop_channels()


class LoneKernel(CellKernel):
    """A kernel without a Jupyter server, as in VS Code or papermill. Use as a context manager."""

    def __init__(self, **environment: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
        self._folder = tempfile.TemporaryDirectory(prefix="sse-", dir="/tmp")
        # By Unix sockets: another process may be given the port that this one was told is free.
        connection_file = str(Path(self._folder.name, "connection.json"))
        self.manager = KernelManager(kernel_name="python3", transport="ipc", connection_file=connection_file)
        own = {"IPYTHONDIR": str(Path(self._folder.name, "ipython"))}
        self.manager.start_kernel(env={**inherited, **own, **environment})
        super().__init__(self.manager.blocking_client())

    def __enter__(self) -> LoneKernel:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)
        self._folder.cleanup()

    def shut_down(self) -> None:
        """Ask the kernel to end, and wait until it has."""
        self.manager.shutdown_kernel()


class ServedKernel(CellKernel):
    """A kernel of a Jupyter server, started as JupyterLab does. Use as a context manager."""

    def __init__(self, server: JupyterServer, notebook: str = "test.ipynb") -> None:
        model = {"path": notebook, "name": Path(notebook).name, "type": "notebook", "kernel": {"name": "python3"}}
        answer = server.client.post("api/sessions", json=model)
        assert answer.status_code == 201, answer.text
        self.server = server
        self.id = answer.json()["kernel"]["id"]
        client = BlockingKernelClient(connection_file=str(server.runtime / f"kernel-{self.id}.json"))
        client.load_connection_file()
        super().__init__(client)

    def restart(self) -> None:
        """Restart the kernel, and wait until it answers."""
        answer = self.server.client.post(f"api/kernels/{self.id}/restart")
        assert answer.status_code == 200, answer.text
        wait_until(self.answers, "the kernel answers", timeout=60)

    def __enter__(self) -> ServedKernel:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
        self.server.client.delete(f"api/kernels/{self.id}")
