"""Every recipe of ``docs/clients.md`` is run as it stands, by what its language is for, and prints what is below it."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from clients.event_source import HERE as CLIENTS
from e2e.browser import chromium
from running_server import TIMEOUT, JupyterServer

from jupyter_sse._rust import Link

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parent.parent / "docs" / "clients.md").read_text()
RECIPES: list[tuple[str, str, str]] = re.findall(
    r"^```(sh|python|js|html)\n(.*?)^```\n\n^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
TITLES = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)


def matches(output: str, printed: str) -> bool:
    """Tell whether a recipe has printed what is said of it; an ellipsis stands for what differs each time."""
    return re.fullmatch(".+".join(map(re.escape, output.strip().split("…"))), printed.strip()) is not None


def run_shell(server: JupyterServer, folder: Path, code: str) -> str:
    return run(server, folder, "bash", "-c", code)


def run_python(server: JupyterServer, folder: Path, code: str) -> str:
    return run(server, folder, sys.executable, "-c", code)


def run_node(server: JupyterServer, folder: Path, code: str) -> str:
    """Run a module beside the packages that the tests install for it."""
    (folder / "node_modules").symlink_to(CLIENTS / "node_modules")
    (folder / "recipe.mjs").write_text(code)
    return run(server, folder, shutil.which("node"), "recipe.mjs")


def run(server: JupyterServer, folder: Path, *command: str) -> str:
    environment = {**os.environ, "SERVER": server.url.rstrip("/"), "TOKEN": server.token}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_page(server: JupyterServer, folder: Path, code: str) -> str:
    """Open a page of another site in a browser, with a token for the stream alone; return what it shows at last."""
    (folder / "page.html").write_text(code)
    link = Link(server.link_path, "recipes", "recipes")
    token = json.loads(link.request(json.dumps({"op": "token", "name": "demo"}))[1])["token"]
    link.close()
    site = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=folder))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with chromium() as browser:
        page = browser.new_page()
        query = urlencode({"server": server.url.rstrip("/"), "token": token})
        page.goto(f"http://localhost:{site.server_port}/page.html?{query}")
        page.wait_for_function("document.getElementById('log').textContent.includes('closed')")
        shown = page.text_content("#log")
    site.shutdown()
    site.server_close()
    return shown


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


RUNNERS = {"sh": run_shell, "python": run_python, "js": run_node, "html": run_page}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server on which the first recipe has made what the others read."""
    running = JupyterServer("--SSEApp.reconnection_time=100", base_url="/user/ada/").start()
    _, code, output = RECIPES[0]
    assert matches(output, run_shell(running, tmp_path_factory.mktemp("demo"), code))
    yield running
    running.stop()


def test_every_section_has_a_recipe_that_says_what_it_prints() -> None:
    assert len(RECIPES) == len(TITLES) == len(re.findall(r"^```(?:sh|python|js|html)$", PAGE, re.MULTILINE))
    for name in ("curl", "httpx", "requests", "aiohttp", "Node", "A page", "A build that posts its progress"):
        assert name in TITLES


@pytest.mark.parametrize(("language", "code", "output"), RECIPES[1:], ids=TITLES[1:])
def test_recipe_prints_what_stands_below_it(
    demo: JupyterServer, tmp_path: Path, language: str, code: str, output: str
) -> None:
    printed = RUNNERS[language](demo, tmp_path, code)
    assert matches(output, printed), printed
