"""A notebook in a tab of JupyterLab, used with keyboard and mouse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nbformat
from playwright.sync_api import expect

from e2e.card import Card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from playwright.sync_api import Locator, Page
    from running_server import JupyterServer

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}

# What the pages' own objects are asked for; `panel` is the notebook of the tab.
PANEL = "const panel = globalThis.jupyterapp?.shell.currentWidget;"
INDEX = "const index = panel.content.widgets.findIndex(cell => cell.model.id === id);"
CELL = f"{PANEL} {INDEX} const model = panel.content.widgets[index].model;"


def write_notebook(path: Path, sources: Mapping[str, str]) -> None:
    """Write a notebook of code cells, given by their ids."""
    cells = [nbformat.v4.new_code_cell(source, id=cell_id) for cell_id, source in sources.items()]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC})
    nbformat.write(notebook, path)


class Notebook:
    """A notebook that is open in a tab.

    Attributes:
        page: Playwright's tab.
        path: Below the server's root.
    """

    def __init__(self, server: JupyterServer, page: Page, path: str) -> None:
        self.server = server
        self.page = page
        self.path = path
        self._added = 0
        self._close_warnings()

    def wait_until_open(self, *, kernel: bool = True) -> None:
        """Wait until the notebook is shown and its kernel, if it has one, can run cells."""
        self.page.wait_for_function(
            f"path => {{ {PANEL} return panel?.context?.path === path && panel.context.isReady"
            " && panel.content.widgets.length > 0; }",
            arg=self.path,
        )
        if kernel:
            self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until the kernel is idle."""
        self.page.wait_for_function(
            f"() => {{ {PANEL} return panel.sessionContext.session?.kernel?.status === 'idle'; }}"
        )

    def ask(self, expression: str, arg: Any = None) -> Any:
        """Evaluate a JavaScript expression in which ``panel`` is the notebook and ``arg`` the argument."""
        return self.page.evaluate(f"arg => {{ {PANEL} return {expression}; }}", arg)

    # --- cells ---------------------------------------------------------------------------------------------------

    def cell(self, cell_id: str) -> Locator:
        """Return where a cell is shown."""
        index = self.page.evaluate(f"id => {{ {PANEL} {INDEX} return index; }}", cell_id)
        assert index >= 0, f"no cell {cell_id!r} in {self.path}"
        return self.page.locator(".jp-Notebook:visible .jp-Cell").nth(index)

    def run(self, cell_id: str) -> str:
        """Run a cell that must not fail, wait until it has run, and return its text."""
        self.start(cell_id)
        self.wait_until_run(cell_id)
        failures = [output for output in self.outputs(cell_id) if output["output_type"] == "error"]
        assert not failures, "\n".join(failures[0]["traceback"])
        return self.text(cell_id)

    def start(self, cell_id: str) -> None:
        """Start a cell as a user does, with Ctrl+Enter."""
        # So that its number is there again when it has run, also where a new kernel gives it the old one.
        self.page.evaluate(f"id => {{ {CELL} model.sharedModel.execution_count = null; }}", cell_id)
        prompt = self.cell(cell_id).locator(".jp-InputArea-prompt")
        prompt.scroll_into_view_if_needed()
        prompt.click()
        self.page.keyboard.press("Control+Enter")

    def wait_until_run(self, cell_id: str) -> None:
        """Wait until a cell that was started has run."""
        self.page.wait_for_function(
            f"id => {{ {CELL} return model.executionState === 'idle' && model.executionCount !== null; }}",
            arg=cell_id,
            timeout=60_000,
        )

    def is_running(self, cell_id: str) -> bool:
        """Tell whether the kernel is at work on a cell."""
        return self.page.evaluate(f"id => {{ {CELL} return model.executionState === 'running'; }}", cell_id)

    def outputs(self, cell_id: str) -> list[dict[str, Any]]:
        """Return a cell's outputs as the notebook will save them."""
        return self.page.evaluate(f"id => {{ {CELL} return model.outputs.toJSON(); }}", cell_id)

    def text(self, cell_id: str) -> str:
        """Return what a cell has printed."""
        return "".join(
            output["text"] if isinstance(output["text"], str) else "".join(output["text"])
            for output in self.outputs(cell_id)
            if output["output_type"] == "stream"
        )

    def run_code(self, source: str) -> str:
        """Run code in a new cell at the end; return what it prints."""
        self._added += 1
        return self.run(self.add(f"added-{self._added}", source))

    def add(self, cell_id: str, source: str) -> str:
        """Add a cell at the end; return its id."""
        self.ask(
            "panel.model.sharedModel.addCell({cell_type: 'code', id: arg.id, source: arg.source})",
            {"id": cell_id, "source": source},
        )
        return cell_id

    def stream_of(self, cell_id: str) -> str:
        """Return the name of the stream of a cell that yields."""
        return f"{self.path.removesuffix('.ipynb')}/{cell_id}"

    def url_of(self, cell_id: str) -> str:
        """Return the curl command that ``%sse url`` prints for a cell that yields."""
        return self.run_code(f"%sse url {self.stream_of(cell_id)}")

    # --- views ---------------------------------------------------------------------------------------------------

    def card(self, cell_id: str) -> Card:
        """Return the one live view below a cell, once it is there."""
        return Card(self.page, self.cell(cell_id).locator(".jp-OutputArea .jp-SseView"))

    def cards(self, cell_id: str, count: int) -> list[Card]:
        """Return all live views below a cell, once they are there."""
        found = self.cell(cell_id).locator(".jp-OutputArea .jp-SseView")
        expect(found).to_have_count(count)
        return [Card(self.page, found.nth(number)) for number in range(count)]

    def connection(self) -> dict[str, Any]:
        """Return how the tab is connected to its streams."""
        return self.page.evaluate("() => jupyterapp.commands.execute('jupyter_sse:inspect-connection')")

    # --- the notebook --------------------------------------------------------------------------------------------

    @property
    def kernel_id(self) -> str:
        """The kernel's id on the server."""
        return self.ask("panel.sessionContext.session.kernel.id")

    def save(self) -> dict[str, Any]:
        """Save as a user does, wait until the server has it, and return what is in the file."""
        self.page.locator(".jp-Notebook:visible").press("Control+s")
        self.page.wait_for_function(f"() => {{ {PANEL} return !panel.model.dirty; }}")
        return json.loads((self.server.root / self.path).read_text())

    def reload(self, *, kernel: bool = True) -> None:
        """Reload the page."""
        self.page.reload()
        self.wait_until_open(kernel=kernel)

    def restart_kernel(self) -> None:
        """Restart the kernel from the toolbar, and confirm. Does not wait for the new kernel."""
        self.page.locator(".jp-NotebookPanel:visible [data-jp-item-name=restart]").locator(
            "button, jp-button"
        ).first.click()
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()

    def trust(self) -> None:
        """Trust the notebook, from the palette, and confirm."""
        self.page.evaluate("() => void jupyterapp.commands.execute('notebook:trust')")
        self.dismiss_dialog()

    def dismiss_dialog(self) -> None:
        """Close the dialog that JupyterLab shows, as soon as it does."""
        dialog = self.page.locator(".jp-Dialog")
        dialog.locator("button.jp-mod-accept").click()
        expect(dialog).to_have_count(0)

    def _close_warnings(self) -> None:
        """Close the dialog by which JupyterLab says that its server is away, as whoever works on would."""
        dialog = self.page.locator(".jp-Dialog", has_text="Server Connection Error")
        self.page.add_locator_handler(dialog, lambda found: found.locator("button.jp-mod-reject").click())

    def set_theme(self, name: str) -> None:
        """Choose JupyterLab's theme, such as "JupyterLab Dark"."""
        self.page.evaluate("name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        is_light = str("Dark" not in name).lower()
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)
        # What JupyterLab shows meanwhile lies on everything.
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
