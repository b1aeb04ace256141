"""A user of JupyterLab: his browser's cookies and his tabs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from e2e.notebook import Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page
    from running_server import JupyterServer

VIEWPORT = {"width": 1280, "height": 900}


class Lab:
    """JupyterLab as one user sees it.

    Attributes:
        server: Where it runs.
        context: Playwright's: cookies, storage and tabs.
        complaints: What the pages' consoles have said of errors in our code, or of any error that nobody caught.
    """

    _workspaces = itertools.count(1)

    def __init__(self, server: JupyterServer, browser: Browser, url: str | None = None) -> None:
        self.server = server
        self._url = url or server.url
        self.complaints: list[str] = []
        self._browser = browser
        self._log_in()

    def _log_in(self) -> None:
        self.context = self._browser.new_context(viewport=VIEWPORT, base_url=self._url)
        self.context.set_default_timeout(30_000)
        self.context.on("page", self._watch)
        # Jupyter's answer sets the cookie, as after a click on the address that the server prints.
        assert self.context.request.get(f"lab?token={self.server.token}").ok

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "jupyter_sse" in message.location.get("url", ""):
            self.complaints.append(message.text)

    def new_tab(self) -> Page:
        """Open an empty tab."""
        return self.context.new_page()

    def open(self, path: str, *, kernel: bool = True) -> Notebook:
        """Open a notebook in a tab and a workspace of its own.

        Args:
            path: Below the server's root.
            kernel: Wait for its kernel.
        """
        page = self.new_tab()
        notebook = Notebook(self.server, page, path)
        workspace = f"test-{next(self._workspaces)}"
        page.goto(f"lab/workspaces/{workspace}/tree/{path}?reset")
        notebook.wait_until_open(kernel=kernel)
        return notebook

    def close_browser(self) -> None:
        """Close all tabs. The kernels go on."""
        self.context.close()

    def open_browser(self) -> None:
        """Start a browser that knows nothing, and log in."""
        self._log_in()

    def close(self) -> None:
        """Close the browser, end what runs on the server, and pass on what the pages complained of."""
        self.context.close()
        client = self.server.client
        for session in client.get("api/sessions").json():
            client.delete(f"api/sessions/{session['id']}")
        for stream in client.get("api/sse/streams").json():
            if stream["state"] != "ended":
                client.delete(f"api/sse/streams/{stream['name']}")
        assert not self.complaints, self.complaints
