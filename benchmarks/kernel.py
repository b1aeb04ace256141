"""A real kernel, linked to a real hub that this process runs."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyter_sse._rust import Hub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.server import JupyterServer


class Kernel:
    """Runs code in a kernel and brings what it prints as JSON.

    Args:
        link: The server's process id and the path of its hub's socket, ``<pid>:<path>``.
    """

    def __init__(self, link: str) -> None:
        self._manager = KernelManager()
        environment = {**os.environ, "JUPYTER_SSE_LINK": link}
        self._manager.start_kernel(env=environment, stderr=subprocess.DEVNULL)
        self.connect(self._manager.client())
        self.pid = self._manager.provisioner.pid

    def connect(self, client: Any) -> None:
        """Talk to the kernel over a client of jupyter_client."""
        self._client = client
        client.start_channels()
        client.wait_for_ready(timeout=60)

    def run(self, code: str, timeout: float = 300.0) -> Any:
        """Run ``code``; return what it printed last, read as JSON.

        Args:
            code: Python that prints one line of JSON.
            timeout: Seconds.

        Raises:
            RuntimeError: The code raised; the text is its traceback.
        """
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, timeout=timeout, output_hook=hear, store_history=False)
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"].get("traceback", [])))
        lines = "".join(printed).strip().splitlines()
        return json.loads(lines[-1]) if lines else None

    def start(self, code: str) -> threading.Thread:
        """Run ``code`` beside; join the thread to wait for it."""
        thread = threading.Thread(target=self.run, args=(code,), daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def drain(self) -> None:
        """Throw away what the kernel has published, so that nothing piles up between measurements."""
        while True:
            try:
                self._client.get_iopub_msg(timeout=0)
            except queue.Empty:
                return


class ServedKernel(Kernel):
    """A kernel that a Jupyter server has started, as for a notebook."""

    def __init__(self, server: JupyterServer) -> None:
        self._server = server
        self._id = server.ask("api/kernels", "POST")["id"]
        client = BlockingKernelClient(connection_file=str(server.runtime / f"kernel-{self._id}.json"))
        client.load_connection_file()
        self.connect(client)

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._server.ask(f"api/kernels/{self._id}", "DELETE")


@contextmanager
def linked_kernel(**options: Any) -> Iterator[tuple[Hub, Kernel]]:
    """Give a hub (``options`` are its own) and a kernel that is linked to it."""
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(link_path=str(Path(folder) / "link"), **options)
        kernel = Kernel(f"{os.getpid()}:{hub.link_path}")
        try:
            yield hub, kernel
        finally:
            kernel.close()
            hub.close()
