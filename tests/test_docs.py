"""Every example of ``docs`` is run as it stands, by a shell, Python or a notebook, and prints what is below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_kernel import ServedKernel

if TYPE_CHECKING:
    from running_server import JupyterServer

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "publishing.md"
NOTEBOOK_PAGE = DOCS / "per-subscriber.md"
EXAMPLE = re.compile(r"^```(sh|python)\n(.*?)^```\n\n^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CELL_OR_COMMAND = re.compile(
    r"^```python\n(?P<cell>.*?)^```$|^```sh\n(?P<command>.*?)^```\n\n^```text\n(?P<output>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
INTERPRETERS = {"sh": ["bash", "-c"], "python": [sys.executable, "-c"]}


def examples() -> list[tuple[str, str, str]]:
    """Return language, code and output of each example of the page."""
    return EXAMPLE.findall(PAGE.read_text())


def test_every_example_says_what_it_prints():
    assert len(examples()) == len(re.findall(r"^```(?:sh|python)$", PAGE.read_text(), re.MULTILINE)) >= 8


def run(server: JupyterServer, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program as the pages say."""
    environment = {**os.environ, "SERVER": server.url.rstrip("/"), "TOKEN": server.token}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=check)


@pytest.mark.parametrize(("language", "code", "output"), examples(), ids=range(1, len(examples()) + 1))
def test_example_prints_what_stands_below_it(server: JupyterServer, language: str, code: str, output: str):
    done = run(server, *INTERPRETERS[language], code)
    pattern = r"[0-9A-Za-z]{11}-[0-9]+-[0-9]+".join(map(re.escape, output.strip().split("…")))
    assert re.fullmatch(pattern, done.stdout.strip()), done.stdout + done.stderr


def test_the_cells_and_commands_about_one_readers_streams_do_what_stands_below_them(server: JupyterServer):
    text = NOTEBOOK_PAGE.read_text()
    examples = list(CELL_OR_COMMAND.finditer(text))
    assert len(examples) == len(re.findall(r"^```(?:sh|python)$", text, re.MULTILINE)) >= 12
    with ServedKernel(server, "docs.ipynb") as kernel:
        for example in examples:
            if example["cell"]:
                kernel.good(example["cell"])
                continue
            # curl says that its time was over.
            done = run(server, "bash", "-c", example["command"], check=False)
            pattern = ".*".join(map(re.escape, example["output"].strip().split("…")))
            assert re.fullmatch(pattern, done.stdout.strip()), example["command"] + done.stdout + done.stderr
