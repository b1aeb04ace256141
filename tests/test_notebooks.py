"""The notebooks that a user opens first run from top to bottom, with a server and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

if TYPE_CHECKING:
    from running_server import JupyterServer

NOTEBOOKS = sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))
FIRST, FOR_EACH, FOUNDING = (
    Path(__file__).parents[1] / "notebooks" / f"{name}.ipynb"
    for name in ("01-first-stream", "02-a-stream-for-each", "03-founding-document")
)
MIME_TYPE = "application/vnd.jupyter-sse.v1+json"


class RunningKernel(AsyncKernelManager):
    """A kernel that somebody else has started and will end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(owns_kernel=False, **options)

    @property
    def has_kernel(self) -> bool:
        return True


def displays(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Return what each cell displays last, by the cell's id."""
    return {
        cell["id"]: output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] in ("display_data", "execute_result")
    }


def printed(notebook: nbformat.NotebookNode, stream: str, cell_id: str | None = None) -> str:
    """Return what a cell, or all of them, printed."""
    return "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == stream and cell_id in (None, cell["id"])
    )


async def run_on_server(path: Path, server: JupyterServer) -> tuple[nbformat.NotebookNode, list[str], list[str]]:
    """Run a notebook in a kernel of a server; return it, and the streams and routes that live after it."""
    name = f"{path.stem}.ipynb"
    session = server.client.post(
        "api/sessions", json={"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    ).json()
    kernel = RunningKernel(connection_file=str(server.runtime / f"kernel-{session['kernel']['id']}.json"))
    kernel.load_connection_file()
    notebook = nbformat.read(path, as_version=4)
    try:
        await NotebookClient(notebook, km=kernel, timeout=60).async_execute()
        live = [one["name"] for one in server.client.get("api/sse/streams").json() if one["state"] == "live"]
        routes = [one["pattern"] for one in server.client.get("api/sse/routes").json()]
    finally:
        server.client.delete(f"api/sessions/{session['id']}")
    return notebook, live, routes


def run_alone(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook where there is no server; return it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
    written = folder / "written.ipynb"
    command = [sys.executable, "-m", "papermill", path, written]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=90, check=True)
    notebook = nbformat.read(written, as_version=4)
    assert printed(notebook, "stderr").count("no Jupyter server with jupyter_sse") == 1
    return notebook


def test_every_notebook_is_run_here():
    assert NOTEBOOKS == [FIRST, FOR_EACH, FOUNDING]


async def test_the_first_notebook_runs_top_to_bottom_in_a_kernel_of_a_server(server: JupyterServer):
    notebook, live, _ = await run_on_server(FIRST, server)
    shown = displays(notebook)
    assert {shown[cell_id][MIME_TYPE]["stream"] for cell_id in ("named", "send", "track")} == {"walk", "log", "epoch"}
    assert not [name for name in live if name.startswith(("walk", "log", "epoch", FIRST.stem))]


def test_the_first_notebook_runs_top_to_bottom_without_a_server(tmp_path: Path):
    shown = displays(run_alone(FIRST, tmp_path))
    pictures = {"machine": "<svg", "named": "<svg", "send": "<pre", "track": "<progress"}
    for cell_id, picture in pictures.items():
        assert picture in shown[cell_id]["text/html"]
        assert MIME_TYPE not in shown[cell_id]


def check_one_for_each(notebook: nbformat.NotebookNode) -> None:
    walk = [json.loads(line) for line in printed(notebook, "stdout", "read").splitlines()]
    assert [one["step"] for one in walk] == [0, 1, 2, 3, 4]
    assert printed(notebook, "stdout", "doors").splitlines() == [
        "doors/one The stream cannot be read: number: expected an integer, got 'one' (status 400)",
        "doors/1 The stream cannot be read: door 1 is locked (status 403)",
        "doors/3 ['a goat']",
    ]
    assert sorted(printed(notebook, "stdout", "talk").splitlines()) == [
        "ada hears: join ada",
        "ada hears: join bob",
        "ada hears: leave bob",
        "bob hears: join bob",
    ]
    assert printed(notebook, "stdout", "million").endswith("fewer than 10,000 made: True\n")


async def test_the_notebook_of_streams_for_each_runs_top_to_bottom_in_a_kernel_of_a_server(server: JupyterServer):
    notebook, _, routes = await run_on_server(FOR_EACH, server)
    check_one_for_each(notebook)
    shown = displays(notebook)
    assert [shown[cell_id][MIME_TYPE]["stream"] for cell_id in ("ada", "bob")] == ["walks/ada/1", "walks/bob/5"]
    # The last cell stops all.
    assert shown["walk"]["text/plain"] == "Route walks/{name}/{wildness} (cell 2): stopped"
    assert "walks/{name}/{wildness}" in shown["list"]["text/plain"]
    assert not [pattern for pattern in routes if pattern.startswith(("walks", "doors", "chat", "numbers"))]


def test_the_notebook_of_streams_for_each_runs_top_to_bottom_without_a_server(tmp_path: Path):
    check_one_for_each(run_alone(FOR_EACH, tmp_path))


async def test_the_notebook_of_the_founding_document_runs_top_to_bottom_in_a_kernel_of_a_server(server: JupyterServer):
    notebook, live, routes = await run_on_server(FOUNDING, server)
    shown = displays(notebook)
    streams = [shown[cell_id][MIME_TYPE]["stream"] for cell_id in ("counter", "data", "structured", "long", "errors")]
    assert streams == ["live-counter", "live-data", "structured-events", "long-stream", "resilient-stream"]
    assert shown["chat-view"][MIME_TYPE]["stream"] == "chat"
    assert not {*streams, "chat"} & set(live)
    assert "chat/{user}" not in routes


def test_the_notebook_of_the_founding_document_runs_top_to_bottom_without_a_server(tmp_path: Path):
    shown = displays(run_alone(FOUNDING, tmp_path))
    assert "<svg" in shown["data"]["text/html"]
    assert "Count: 9" in shown["counter"]["text/html"]
