"""A plain Tornado handler in a Jupyter server: what one writes who has no hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.server import ROOT, Inside, JupyterServer

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.setting import Setting

EXTENSIONS = {"jupyter_sse": False, "benchmarks.peers.tornado_extension": True}


class PlainTornado(Inside):
    """The handler of ``tornado_extension.py``, behind Jupyter's login as ours is."""

    name = "plain Tornado handler"

    def __init__(self, setting: Setting, certificate: tuple[Path, Path] | None = None) -> None:
        option = f"--ServerApp.jpserver_extensions={EXTENSIONS}"
        path = {"PYTHONPATH": str(ROOT)}
        self.jupyter = JupyterServer(setting, option, certificate=certificate, environment=path)
        base = self.jupyter.at("bench/")
        login = {"Authorization": f"token {self.jupyter.token}"}
        super().__init__(self.jupyter.program, self.name, base.url, login)
