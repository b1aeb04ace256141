"""EventSource as browsers have it, and as Node has it: they come back by themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.record import Received, Record

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from running_server import JupyterServer

HERE = Path(__file__).parent

OPEN = """url => {
    globalThis.said = [];
    globalThis.source = new EventSource(url);
    source.onopen = () => said.push({kind: 'open'});
    source.onerror = () => source.readyState === EventSource.CLOSED && said.push({kind: 'closed'});
    for (const type of ['message', 'sse.gap', 'sse.end'])
        source.addEventListener(type, event =>
            said.push({kind: 'event', type, id: event.lastEventId, data: event.data}));
}"""


def note(record: Record, said: dict[str, Any]) -> None:
    """Put down what an EventSource said."""
    if said["kind"] == "open":
        record.connections += 1
    elif said["kind"] == "closed":
        record.is_over = True
    else:
        record.events.append(Received(said["type"], said["id"], said["data"]))


class NodeEventSource:
    """The package ``eventsource``, in Node. A context manager."""

    def __init__(self, server: JupyterServer, url: str, authority: Path) -> None:
        self.record = Record()
        self._url = url
        self._environment = {**os.environ, "TOKEN": server.token, "NODE_EXTRA_CA_CERTS": str(authority)}

    def __enter__(self) -> NodeEventSource:
        node = shutil.which("node")
        assert node is not None, "expected node, got no such command; install Node 20 or newer"
        installed = HERE / "node_modules" / "eventsource"
        assert installed.is_dir(), f"expected the package eventsource in {installed}; run `npm ci` in {HERE}"
        self._process = subprocess.Popen(
            [node, HERE / "eventsource.mjs", self._url], env=self._environment, stdout=subprocess.PIPE
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._thread.join(20)
        self._process.wait(20)
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            note(self.record, json.loads(line))


class BrowserEventSource:
    """The browser's own, in a page of the server. A context manager."""

    def __init__(self, server: JupyterServer, url: str, browser: Browser) -> None:
        self.record = Record()
        self._token = server.token
        self._base, _, self._address = url.partition("sse/")
        self._browser = browser

    def __enter__(self) -> BrowserEventSource:
        # Chromium takes no authority from a file; all else about the certificate is for the other programs to judge.
        self._context = self._browser.new_context(ignore_https_errors=True)
        # Jupyter's answer sets the cookie.
        assert self._context.request.get(f"{self._base}api/status?token={self._token}").ok
        self._page = self._context.new_page()
        self._page.goto(f"{self._base}login")
        self._page.evaluate(OPEN, f"{self._base}sse/{self._address}")
        return self

    def __exit__(self, *error: object) -> None:
        self._context.close()

    def poll(self) -> None:
        """Fetch what the page has got."""
        for said in self._page.evaluate("() => said.splice(0)"):
            note(self.record, said)
