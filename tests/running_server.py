"""A real Jupyter server in a process of its own, real kernels on it, and readers of its streams."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from jupyter_client.blocking import BlockingKernelClient

from jupyter_sse import Decoder

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from jupyter_sse import ServerSentEvent

THREADS = os.environ.get("HUB_THREADS")
"""How many threads of the hub carry readers; every test is to pass with any number."""

TIMEOUT = 30.0
"""Seconds that a test waits for what has to happen."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, timeout: float = TIMEOUT) -> T:
    """Return the first true value of ``condition``; fail with ``what`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}; the last value was {value!r}")
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def positions_in(told: dict[str, Any]) -> list[str]:
    """Return where the events of a POST stand; of many, the server tells only the ends."""
    if "positions" in told:
        return told["positions"]
    epoch, seq, n = told["first"].split("-")
    positions = [f"{epoch}-{int(seq) + offset}-{int(n) + offset}" for offset in range(told["count"])]
    assert positions[-1] == told["last"]
    return positions


class JupyterServer:
    """A server started by ``python -m <module>``, its folders and environment its own.

    Attributes:
        url: With base URL and closing slash, reachable from here.
        token: The server's own, never given on a command line.
        folder: A short temporary path that holds ``root``, ``runtime``, ``config`` and the log.
        client: Sends the token, and is at home at ``url``.
    """

    def __init__(
        self,
        *arguments: str,
        module: str = "jupyter_server",
        environment: dict[str, str] | None = None,
        config: str = "",
        base_url: str = "/",
        certificate: tuple[Path, Path, ssl.SSLContext] | None = None,
        folder: Path | None = None,
        has_unix_socket: bool = False,
    ) -> None:
        # Not where TMPDIR says: Unix sockets stand in it, and their paths are bounded.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="sse-", dir="/tmp"))
        self.root = self.folder / "root"
        self.runtime = self.folder / "runtime"
        self.log_path = self.folder / "server.log"
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.base_url = base_url
        self.arguments = list(arguments)
        self.module = module
        self.config = config
        self.environment = environment or {}
        scheme, verify = "http", True
        if certificate is not None:
            certfile, keyfile, verify = certificate
            scheme = "https"
            self.arguments += [f"--ServerApp.certfile={certfile}", f"--ServerApp.keyfile={keyfile}"]
        self.verify = verify
        self.unix_socket = self.folder / "socket" if has_unix_socket else None
        if self.unix_socket is not None:
            self.arguments.append(f"--ServerApp.sock={self.unix_socket}")
        self.url = f"{scheme}://127.0.0.1:{self.port}{base_url}"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = self.make_client(headers={"Authorization": f"token {self.token}"})

    def make_client(self, **options: Any) -> httpx.Client:
        """Return a client with nothing but ``options``: without them, without a login."""
        transport = httpx.HTTPTransport(
            verify=self.verify,
            limits=httpx.Limits(max_connections=None),
            uds=None if self.unix_socket is None else str(self.unix_socket),
        )
        return httpx.Client(base_url=self.url, transport=transport, timeout=TIMEOUT, **options)

    def start(self) -> JupyterServer:
        """Start the process and wait until it answers."""
        config = self.folder / "config"
        for folder in (self.root, self.runtime, config, self.folder / "data", self.folder / "ipython"):
            folder.mkdir(parents=True, exist_ok=True)
        if self.config:
            config.joinpath("jupyter_server_config.py").write_text(self.config)
        command = [sys.executable, "-m", self.module, *self.arguments]
        if self.unix_socket is None:
            command += [f"--port={self.port}", "--ServerApp.port_retries=0"]
        command += [f"--ServerApp.base_url={self.base_url}"]
        if self.module == "jupyter_server":
            # By TCP, kernels that are started at the same time by two servers may be given the same port.
            command += ["--KernelManager.transport=ipc"]
        if THREADS is not None:
            command += [f"--SSEApp.reactor_threads={THREADS}"]
        command += ["--no-browser", "--allow-root", f"--ServerApp.root_dir={self.root}", "--debug"]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.process_environment(),
                cwd=self.root,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self.is_up, f"the server answers; its log: {self.log_path}", timeout=60)
        return self

    def process_environment(self) -> dict[str, str]:
        """Return the environment of the server, with nothing of a Jupyter around us."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
        return {
            **inherited,
            "JUPYTER_TOKEN": self.token,
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "IPYTHONDIR": str(self.folder / "ipython"),
            **self.environment,
        }

    def is_up(self) -> bool:
        """Tell whether the server answers; fail where it has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.client.get("api/status").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End the process as a service manager would, and remove its folders."""
        self.end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self, how: signal.Signals) -> None:
        """End the process and start another one at the same address, with the same folders and token."""
        self.end(how)
        self.client = self.make_client(headers={"Authorization": f"token {self.token}"})
        self.start()

    def end(self, how: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(TIMEOUT)

    def log(self) -> str:
        """Return what the server has logged."""
        return self.log_path.read_text(errors="replace")

    @property
    def link_path(self) -> str:
        """Where the hub's socket stands."""
        return str(next(self.runtime.glob("*-sse.sock")))

    def publish(self, name: str, *values: Any) -> list[str]:
        """Append values to a stream, an event each; return their positions."""
        body = "\n".join(json.dumps(value) for value in values)
        answer = self.client.post(f"sse/{name}", content=body, headers={"Content-Type": "application/x-ndjson"})
        assert answer.status_code == 201, answer.text
        return positions_in(answer.json())

    def read(self, address: str, client: httpx.Client | None = None, **options: Any) -> Reader:
        """Open a stream, by the address below the base URL."""
        return Reader(client or self.client, address, **options)

    def start_kernel(self, notebook: str = "test.ipynb") -> Kernel:
        """Start a kernel as JupyterLab does for a notebook."""
        model = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}
        answer = self.client.post("api/sessions", json=model)
        assert answer.status_code == 201, answer.text
        return Kernel(self, answer.json()["kernel"]["id"])


class Reader:
    """A reader of a stream, as a program sees it. Use as a context manager.

    Attributes:
        response: Status and headers.
        received: All bytes so far.
    """

    def __init__(self, client: httpx.Client, address: str, **options: Any) -> None:
        self._context = client.stream("GET", address, **options)
        self._decoder = Decoder(max_event_bytes=16 << 20)
        self._ready: list[ServerSentEvent] = []
        self.received = b""

    def __enter__(self) -> Reader:
        self.response = self._context.__enter__()
        self._chunks = self.response.iter_bytes()
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.response.status_code

    @property
    def last_event_id(self) -> str:
        """Where to resume."""
        return self._decoder.last_event_id

    def events(self) -> Iterator[ServerSentEvent]:
        """Yield events until the connection ends."""
        while True:
            while self._ready:
                yield self._ready.pop(0)
            try:
                chunk = next(self._chunks)
            except StopIteration:
                return
            self.received += chunk
            self._ready += self._decoder.feed(chunk)

    def take(self, count: int) -> list[ServerSentEvent]:
        """Return the next ``count`` events."""
        events = self.events()
        return [next(events) for _ in range(count)]

    def until(self, kind: str) -> list[ServerSentEvent]:
        """Return events up to the first of type ``kind``, that one included."""
        taken = []
        for event in self.events():
            taken.append(event)
            if event.event == kind:
                return taken
        raise AssertionError(f"the stream ended without {kind}: {taken}")

    def values(self, count: int) -> list[Any]:
        """Return the JSON values of the next ``count`` events that are no control events."""
        found: list[Any] = []
        events = self.events()
        while len(found) < count:
            event = next(events)
            if not event.event.startswith("sse."):
                found.append(json.loads(event.data))
        return found


class Kernel:
    """A kernel of a server, and what its cells print. Use as a context manager.

    Attributes:
        id: As the server knows it.
        client: jupyter_client's, connected.
    """

    def __init__(self, server: JupyterServer, kernel_id: str) -> None:
        self.server = server
        self.id = kernel_id
        self.client = BlockingKernelClient(connection_file=str(server.runtime / f"kernel-{kernel_id}.json"))
        self.client.load_connection_file()
        # A kernel on a busy machine is not dead for being late, which is what waiting takes it for after a second.
        self.client.hb_channel.time_to_dead = TIMEOUT
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.stop_channels()
        self.server.client.delete(f"api/kernels/{self.id}")

    def run(self, code: str, timeout: float = TIMEOUT) -> list[dict[str, Any]]:
        """Run a cell and return its outputs, in nbformat's form; an error is one of them."""
        outputs: list[dict[str, Any]] = []

        def collect(message: dict[str, Any]) -> None:
            kind, content = message["header"]["msg_type"], message["content"]
            if kind in ("stream", "display_data", "execute_result", "error", "update_display_data"):
                outputs.append({"output_type": kind, **content})

        self.client.execute_interactive(code, timeout=timeout, output_hook=collect)
        return outputs

    def text(self, code: str, timeout: float = TIMEOUT) -> str:
        """Run a cell that must not fail and return what it printed."""
        outputs = self.run(code, timeout)
        errors = ["\n".join(output["traceback"]) for output in outputs if output["output_type"] == "error"]
        assert not errors, errors[0]
        return "".join(output["text"] for output in outputs if output["output_type"] == "stream")
