"""The servers that publish one stream: ours here, the others in :mod:`benchmarks.peers`."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.load import Address, Sender
from benchmarks.machine import cores_of_clients, cores_of_servers
from benchmarks.program import Program, free_port, get_json

if TYPE_CHECKING:
    from benchmarks.setting import Setting

ROOT = Path(__file__).parent.parent
STREAM = "bench"
NEVER = 86_400
"""Seconds between keep-alives: all servers stay connected while one is measured, and shall not disturb it."""


class Server:
    """A server whose stream is published to on a schedule, and is read at ``address``.

    Attributes:
        name: What tables call it.
        address: Where its stream is read.
        pids: Its processes.
    """

    name: str
    address: Address
    pids: tuple[int, ...]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End its processes."""

    def publish(self, run: int, rate: float, seconds: float, size: int) -> dict[str, Any]:
        """Publish a run of events; return the number of the last and how late the publisher was."""
        raise NotImplementedError


class JupyterServer:
    """A Jupyter server in a process of its own, as it is installed here; its folders are its own.

    Args:
        setting: Where logs and folders go.
        options: Further arguments.
        certificate: Certificate and key: with TLS.
        environment: What is added to the environment.
    """

    def __init__(
        self,
        setting: Setting,
        *options: str,
        certificate: tuple[Path, Path] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.folder = setting.folder / f"jupyter-{self.port}"
        words = [sys.executable, "-m", "jupyter_server", f"--port={self.port}", "--ServerApp.port_retries=0"]
        words += ["--no-browser", f"--ServerApp.root_dir={self.folder}", *options]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            words.append("--allow-root")
        if certificate is not None:
            words += [f"--ServerApp.certfile={certificate[0]}", f"--ServerApp.keyfile={certificate[1]}"]
        self.scheme = "http" if certificate is None else "https"
        environment = self.environment() | (environment or {})
        self.program = Program(words, cores_of_servers(), setting.log("jupyter"), environment=environment)
        self.program.wait_for(self.is_up)
        self.pid = self.program.pid

    def is_up(self) -> bool:
        """Tell whether it answers."""
        try:
            get_json(self.at("api").url)
        except OSError:
            return False
        return True

    def environment(self) -> dict[str, str]:
        """Return the environment: nothing of a Jupyter around us."""
        places = {name: self.folder / name.lower() for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR")}
        for place in places.values():
            place.mkdir(parents=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
        return inherited | {name: str(place) for name, place in places.items()} | {"JUPYTER_TOKEN": self.token}

    def at(self, path: str) -> Address:
        """Return an address below its base URL, with its login."""
        return Address(f"{self.scheme}://127.0.0.1:{self.port}/{path}", (f"Authorization: token {self.token}",))

    @property
    def runtime(self) -> Path:
        """Return the folder where kernels are found."""
        return self.folder / "jupyter_runtime_dir"

    def ask(self, path: str, method: str) -> Any:
        """Send a request with its login; return the JSON that comes."""
        return get_json(self.at(path).url, {"Authorization": f"token {self.token}"}, method)

    @property
    def link(self) -> str:
        """What kernels are told in ``JUPYTER_SSE_LINK``."""
        (path,) = self.runtime.glob("*-sse.sock")
        return f"{self.pid}:{path}"

    def close(self) -> None:
        """End it."""
        self.program.close()


class Ours(Server):
    """A Jupyter server with jupyter_sse, and a publisher that sends to it over its link as a kernel does."""

    name = "jupyter_sse"

    def __init__(self, setting: Setting, *options: str, **more: Any) -> None:
        self.jupyter = JupyterServer(setting, *options, **more)
        self.address = self.jupyter.at(f"sse/{STREAM}@latest")
        self.pids = (self.jupyter.pid,)
        environment = {**os.environ, "JUPYTER_SSE_LINK": self.jupyter.link}
        command = [sys.executable, "-m", "benchmarks.publisher", STREAM]
        log = setting.log("publisher")
        self.publisher = Program(command, cores_of_clients(), log, talks=True, environment=environment)
        # The stream is there after its first event.
        self.publish(0, 1000, 0.001, 0)

    def publish(self, run: int, rate: float, seconds: float, size: int) -> dict[str, Any]:
        """See :meth:`Server.publish`."""
        return self.publisher.ask(f"publish {run} {rate} {seconds} {size}")

    def close(self) -> None:
        """End publisher and server."""
        self.publisher.close()
        self.jupyter.close()


class Limit(Server):
    """The bare loop of ``send()``: what the system allows one thread."""

    name = "bare send()"

    def __init__(self, setting: Setting) -> None:
        self.sender = Sender(setting)
        self.address = self.sender.address
        self.pids = (self.sender.pid,)

    def publish(self, run: int, rate: float, seconds: float, size: int) -> dict[str, Any]:
        """See :meth:`Server.publish`."""
        return self.sender.ask(f"publish {run} {rate} {seconds} {size}")

    def close(self) -> None:
        """End it."""
        self.sender.close()


class Inside(Server):
    """A server that publishes by itself when it is asked at ``/publish``.

    Args:
        program: The server.
        name: What tables call it.
        base: Its URL with closing slash.
        headers: A login, for all requests.
    """

    def __init__(self, program: Program, name: str, base: str, headers: dict[str, str] | None = None) -> None:
        self.program, self.name, self.base, self.headers = program, name, base, headers or {}
        self.address = Address(f"{base}events", tuple(f"{key}: {value}" for key, value in self.headers.items()))
        self.pids = (program.pid,)

    def publish(self, run: int, rate: float, seconds: float, size: int) -> dict[str, Any]:
        """See :meth:`Server.publish`."""
        return get_json(f"{self.base}publish?order=publish+{run}+{rate}+{seconds}+{size}", self.headers)

    def close(self) -> None:
        """End it."""
        self.program.close()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that nobody trusts, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not certificate.exists():
        words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        command = ["openssl", "req", *words, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
    return certificate, key
