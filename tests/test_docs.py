"""Every example of ``docs/publishing.md`` is run as it stands, by a shell or Python, and prints what is below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from running_server import JupyterServer

PAGE = Path(__file__).parent.parent / "docs" / "publishing.md"
EXAMPLE = re.compile(r"^```(sh|python)\n(.*?)^```\n\n^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INTERPRETERS = {"sh": ["bash", "-c"], "python": [sys.executable, "-c"]}


def examples() -> list[tuple[str, str, str]]:
    """Return language, code and output of each example of the page."""
    return EXAMPLE.findall(PAGE.read_text())


def test_every_example_says_what_it_prints():
    assert len(examples()) == len(re.findall(r"^```(?:sh|python)$", PAGE.read_text(), re.MULTILINE)) >= 8


@pytest.mark.parametrize(("language", "code", "output"), examples(), ids=range(1, len(examples()) + 1))
def test_example_prints_what_stands_below_it(server: JupyterServer, language: str, code: str, output: str):
    environment = {**os.environ, "SERVER": server.url.rstrip("/"), "TOKEN": server.token}
    command = [*INTERPRETERS[language], code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    pattern = r"[0-9A-Za-z]{11}-[0-9]+-[0-9]+".join(map(re.escape, output.strip().split("…")))
    assert re.fullmatch(pattern, done.stdout.strip()), done.stdout + done.stderr
