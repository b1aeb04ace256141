"""The notebooks that a user opens first run from top to bottom, with a server and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

if TYPE_CHECKING:
    from running_server import JupyterServer

NOTEBOOKS = sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_notebook_runs_top_to_bottom_in_a_kernel_of_a_server(path: Path, server: JupyterServer):
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
    finally:
        server.client.delete(f"api/sessions/{session['id']}")
    shown = displays(notebook)
    assert {shown[cell_id][MIME_TYPE]["stream"] for cell_id in ("named", "send", "track")} == {"walk", "log", "epoch"}
    assert not [name for name in live if name.startswith(("walk", "log", "epoch", path.stem))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_top_to_bottom_without_a_server(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for variable in [name for name in os.environ if name.startswith(("JUPYTER", "JPY"))]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    written = tmp_path / "written.ipynb"
    subprocess.run([sys.executable, "-m", "papermill", path, written], capture_output=True, timeout=90, check=True)
    notebook = nbformat.read(written, as_version=4)
    said = "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == "stderr"
    )
    assert said.count("no Jupyter server with jupyter_sse") == 1
    shown = displays(notebook)
    pictures = {"machine": "<svg", "named": "<svg", "send": "<pre", "track": "<progress"}
    for cell_id, picture in pictures.items():
        assert picture in shown[cell_id]["text/html"]
        assert MIME_TYPE not in shown[cell_id]
