"""Where there is no Jupyter server: programs that run notebooks, and IPython in a terminal."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import nbclient
import nbformat
import pytest

if TYPE_CHECKING:
    from pathlib import Path


def executed(*sources: str) -> nbformat.NotebookNode:
    """Execute cells as nbconvert and papermill do."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_SSE_LINK", raising=False)
    monkeypatch.delenv("JUPYTER_SSE_KERNEL", raising=False)


def test_an_executed_notebook_keeps_the_picture_and_the_prints_of_a_short_run() -> None:
    notebook = executed(
        "%load_ext jupyter_sse", "for i in range(5):\n    print('at', i)\n    yield {'i': i, 'y': i * i}\n'end'"
    )
    outputs = notebook.cells[1].outputs
    said = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert said.count("no Jupyter server") == 1
    assert "".join(output.text for output in outputs if output.get("name") == "stdout").endswith("at 4\n")
    bundles = [output.data for output in outputs if output.output_type == "display_data"]
    assert "<svg" in bundles[0]["text/html"]
    assert "5 events" in bundles[0]["text/plain"]
    assert bundles[1]["text/plain"] == "'end'"


def test_an_executed_notebook_keeps_a_picture_of_a_run_that_goes_on() -> None:
    notebook = executed(
        "%load_ext jupyter_sse", "import time\nwhile True:\n    yield {'t': time.time(), 'y': 1}\n    time.sleep(0.05)"
    )
    bundle = next(output.data for output in notebook.cells[1].outputs if output.output_type == "display_data")
    assert "live" in bundle["text/plain"]


def test_an_executed_notebook_fails_with_its_run() -> None:
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="division by zero"):
        executed("%load_ext jupyter_sse", "import time\nyield 1\ntime.sleep(0.2)\n1 / 0")


def test_a_notebook_after_the_first_is_not_held_up() -> None:
    notebook = executed(
        "%load_ext jupyter_sse",
        "import time\nbegun = time.time()\nwhile True:\n    yield 1\n    time.sleep(1)",
        "time.time() - begun",
    )
    assert float(notebook.cells[2].outputs[0].data["text/plain"]) < 3


def test_ipython_in_a_terminal_runs_cells_that_yield(tmp_path: Path) -> None:
    script = (
        "%load_ext jupyter_sse\n"
        "import jupyter_sse as sse\n"
        "get_ipython().run_cell('for i in range(3):\\n    yield i\\n', store_history=True)\n"
        "get_ipython().run_cell('yield 1\\n1 / 0\\n', store_history=True)\n"
        "%sse list\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=NoColor", "--no-banner", "--quick"],
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=True,
    )
    out = done.stdout + done.stderr
    assert out.count("no Jupyter server with jupyter_sse") == 1
    assert "ZeroDivisionError" in out
    assert "line 2" in out
    assert "jupyter_sse/" not in out
    assert "error" in out
