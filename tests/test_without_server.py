"""Where there is no Jupyter server: programs that run notebooks, and IPython in a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import nbclient
import nbformat
import pexpect
import pytest
from running_kernel import COLOURS, MIME_TYPE

if TYPE_CHECKING:
    from pathlib import Path

ALONE = "no Jupyter server with jupyter_sse"

ENDLESS = (
    "%%sse endless\ntry:\n  while True:\n    yield time.time()\n    time.sleep(0.05)\n"
    "finally:\n  open('finally', 'w').close()"
)

NOTEBOOK = (
    "%load_ext jupyter_sse\nimport time\nimport jupyter_sse as sse",
    "%%sse curve\nfor i in range(10):\n    yield {'i': i, 'y': i * i}\n    time.sleep(0.01)",
    ENDLESS,
    "log = sse.stream('log')\nlog.send_all(['one', 'two'])\nlog.flush()\nlog.view()",
    "for _ in sse.track(range(5), 'loop'):\n    time.sleep(0.01)",
    "for event in sse.subscribe('curve'):\n    print(event.data)",
    "time.sleep(2)",
    "%sse list",
)
"""Cells whose streams have ended, go on and were sent; the last but one is long enough for new pictures."""


def executed(*sources: str) -> nbformat.NotebookNode:
    """Execute cells as nbconvert and papermill do."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in [name for name in os.environ if name.startswith(("JUPYTER", "JPY"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        ["papermill", "in.ipynb", "out.ipynb"],
        ["nbconvert", "--to=notebook", "--execute", "in.ipynb", "--output=out.ipynb"],
    ],
    ids=["papermill", "nbconvert"],
)
def test_a_program_that_runs_notebooks_ends_with_pictures_and_without_an_error(
    command: list[str], tmp_path: Path
) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in NOTEBOOK]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "in.ipynb")
    subprocess.run([sys.executable, "-m", *command], capture_output=True, timeout=60, check=True)
    written = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    outputs = [output for cell in written.cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum(ALONE in output.get("text", "") for output in outputs) == 1
    shown = {
        bundle["text/plain"].split()[1]: bundle
        for bundle in (output.data for output in outputs if output.output_type == "display_data")
    }
    assert list(shown) == ["curve", "endless", "log", "loop"]
    assert not any(MIME_TYPE in bundle for bundle in shown.values())
    assert "<svg" in shown["curve"]["text/html"]
    assert "10 events, done" in shown["curve"]["text/plain"]
    assert "<svg" in shown["endless"]["text/html"]
    # The picture was taken again while later cells ran.
    assert int(re.search(r"(\d+) events, live", shown["endless"]["text/plain"])[1]) > 25
    assert "one\ntwo</pre>" in shown["log"]["text/html"]
    assert "5 of 5 100 %" in shown["loop"]["text/html"]
    assert "updates, done" in shown["loop"]["text/plain"]
    assert '{"i":9,"y":81}\n' in "".join(output.get("text", "") for output in outputs)
    assert (tmp_path / "finally").exists()


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


def test_an_executed_notebook_tells_of_what_its_last_cell_stopped() -> None:
    notebook = executed(
        "%load_ext jupyter_sse\nimport time", ENDLESS, ENDLESS.replace("endless", "2"), "%sse stop --all"
    )
    for cell in notebook.cells[1:3]:
        bundle = next(output.data for output in cell.outputs if output.output_type == "display_data")
        assert ", stopped;" in bundle["text/plain"]


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


class Terminal:
    """A program that runs cells, as a person sees it in a terminal."""

    PROMPT = r"In \[\d+\]: "

    def __init__(self, module: str, *arguments: str) -> None:
        self._child = pexpect.spawn(
            sys.executable, ["-m", module, *arguments], encoding="utf-8", timeout=30, dimensions=(40, 200)
        )
        self._child.expect(self.PROMPT)

    def run(self, line: str) -> str:
        """Execute one line; return what stands there when the next prompt comes."""
        self._child.sendline(line)
        self._child.expect(self.PROMPT)
        return COLOURS.sub("", self._child.before)

    def leave(self) -> int:
        """Ask it to end, and wait for that; return its exit status."""
        self._child.sendline("exit")
        self._child.expect(pexpect.EOF)
        self.rest = self._child.before
        self._child.close()
        return self._child.exitstatus


@pytest.mark.parametrize(
    "program",
    [
        ["jupyter_console", "--ZMQTerminalInteractiveShell.simple_prompt=True"],
        ["IPython", "--simple-prompt", "--colors=NoColor", "--no-banner"],
    ],
    ids=["jupyter console", "IPython"],
)
def test_in_a_terminal_streams_run_and_leaving_ends_them(program: list[str], tmp_path: Path) -> None:
    terminal = Terminal(*program)
    said = [terminal.run("%load_ext jupyter_sse")]
    said.append(terminal.run("import time, jupyter_sse as sse"))
    said.append(terminal.run("run = lambda cell: get_ipython().run_cell(cell, store_history=True)"))
    said.append(terminal.run(f"run({ENDLESS!r});"))
    said.append(terminal.run("run('yield from [41, 42]');"))
    said.append(terminal.run("sse.stream('sent').send({'a': 1})"))
    assert '{"a":1}' in terminal.run("print(next(iter(sse.subscribe('sent'))).data)")
    listed = terminal.run("%sse list")
    assert re.search(r"endless +live", listed)
    assert re.search(r"sent +live", listed)
    assert re.search(r"kernel-\S+ +done +1 +2 ", listed)
    assert terminal.leave() == 0
    assert (tmp_path / "finally").exists()
    assert "".join(said).count(ALONE) == 1
    assert not re.search("Error|Traceback|Exception", "".join([*said, listed, terminal.rest]))


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
