"""The IPython extension: plain cells that yield become runs, and ``%sse`` is known."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import InputRejected, UsageError

from jupyter_sse import failure
from jupyter_sse.cell import OUTER, STARTER, bound_names, cell_function, inner_code, yields
from jupyter_sse.client import client, current_client
from jupyter_sse.namespace import RunNames
from jupyter_sse.options import StreamOptions, stream_options
from jupyter_sse.origin import Origin, cell_stream_name
from jupyter_sse.start import start_run

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable

    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_sse.route import Route
    from jupyter_sse.run import Run


PICTURE_TIMEOUT = 1.0


def load(shell: InteractiveShell) -> None:
    """Make cells of this shell that yield live streams. Does nothing the second time."""
    from jupyter_sse.magic import SSEMagics

    if _loaded(shell) is not None:
        return
    cells = Cells(shell)
    shell.ast_transformers.append(cells)
    shell.events.register("pre_run_cell", cells.cell_begins)
    shell.events.register("post_run_cell", cells.cell_ends)
    shell.register_magics(SSEMagics(shell, cells))
    if not hasattr(shell, "kernel"):
        _end_runs_on_exit(shell)


def _end_runs_on_exit(shell: InteractiveShell) -> None:
    """End runs when a terminal is left: it empties its namespace long before Python ends, and the runs live in it."""
    ask_exit = shell.ask_exit

    def end_runs_and_exit() -> None:
        here = current_client()
        if here is not None:
            here.end_runs()
        ask_exit()

    shell.ask_exit = end_runs_and_exit


def unload(shell: InteractiveShell) -> None:
    """Undo ``load``. Streams that run go on; ``jupyter_sse.stream(name).stop()`` ends them."""
    cells = _loaded(shell)
    if cells is None:
        return
    shell.ast_transformers.remove(cells)
    shell.events.unregister("pre_run_cell", cells.cell_begins)
    shell.events.unregister("post_run_cell", cells.cell_ends)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("sse", None)
    # The class has its own.
    vars(shell).pop("ask_exit", None)


def _loaded(shell: InteractiveShell) -> Cells | None:
    return next((one for one in shell.ast_transformers if isinstance(one, Cells)), None)


@dataclass(frozen=True)
class Request:
    """What ``%%sse`` asks for its cell.

    Attributes:
        name: of the stream.
        options: of the stream.
        loop: where the run takes place, "own" or "main".
    """

    name: str
    options: StreamOptions
    loop: str = "own"


class Cells:
    """IPython's AST transformer that starts a run for a cell that yields.

    Threads: the one that runs cells.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._request: Request | None = None
        self._body = ""
        self._superseded: list[Run] = []
        self._superseded_routes: list[Route] = []
        self._is_magic = False

    def visit(self, node: ast.AST) -> ast.AST:
        """Return a cell as it is, or what starts its run if it yields.

        Raises:
            InputRejected: something unforeseen; IPython would drop a transformer that raises anything else.
        """
        if not isinstance(node, ast.Module) or not node.body:
            return node
        try:
            return self._visit_cell(node)
        except Exception as error:
            raise InputRejected(f"jupyter_sse cannot prepare this cell: {error!r}") from error

    def _visit_cell(self, module: ast.Module) -> ast.Module:
        self._disown(bound_names(module))
        if not yields(module):
            if not self._is_magic:
                self._stop_superseded()
            return module
        quiet = self._is_quiet()
        function = cell_function(module, interactivity=self._shell.ast_node_interactivity, quiet=quiet)
        *futures, outer = function.module.body
        outer.decorator_list = [ast.copy_location(ast.Name(STARTER, ast.Load()), outer)]
        # Taken out again by the starter, and after it by the last statement.
        self._shell.user_ns[STARTER] = _Starter(self, function.names, function.is_async, self._take_request())
        forget = ast.copy_location(ast.Delete([ast.copy_location(ast.Name(OUTER, ast.Del()), outer)]), outer)
        return ast.Module(body=[*futures, outer, forget], type_ignores=[])

    def run_magic_cell(self, request: Request, body: str) -> None:
        """Run the body of ``%%sse`` as a cell that yields.

        Raises:
            UsageError: it does not yield.
            CellSyntaxError: it is not Python.
        """
        shell = self._shell
        result = shell.displayhook.exec_result
        raw = result.info.raw_cell if result is not None else body
        # Line numbers are those of the whole cell, as the debugger and the reader count them.
        whole, part = raw.rstrip("\n"), body.rstrip("\n")
        above = whole.removesuffix(part) if whole.endswith(part) else "\n"
        # Comments, so that a traceback shows what stands there.
        text = "".join(f"#{line}" for line in above.splitlines(keepends=True)) + shell.transform_cell(body)
        count = shell.execution_count if result is None else result.execution_count or shell.execution_count
        name = shell.compile.cache(text, count, raw_code=raw)
        try:
            module = shell.compile.ast_parse(text, filename=name)
            if not yields(module):
                raise UsageError("%%sse: expected a cell with a yield outside any function, got none")
            self._request = request
            self._body = body
            code = shell.compile(shell.transform_ast(module), name, "exec")
        except SyntaxError as error:
            lines = shell.SyntaxTB.structured_traceback(type(error), error, [])
            raise failure.CellSyntaxError(error, lines) from None
        exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102 - this is what a notebook does

    def start(self, outer: types.FunctionType, names: Iterable[str], is_async: bool, request: Request | None) -> None:
        """Start a cell's run, and wait for its first yield, for a second at most."""
        origin = Origin.here()
        if request is None:
            options = stream_options(origin=origin)
            request = Request(cell_stream_name(origin, client().place.notebook), options)
        source = _CellSource(inner_code(outer.__code__), frozenset(names), outer.__globals__, self._shell.user_ns)
        try:
            self._stop_superseded(but=request.name)
            run = start_run(
                request.name,
                source,
                is_async=is_async,
                loop=request.loop,
                options=request.options,
                origin=origin,
                shows=True,
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        except (Exception, KeyboardInterrupt) as error:
            failure.hide_frames(error, origin)
            raise
        run.wait_for_first()

    def cell_begins(self, info: Any) -> None:
        """Note which runs and routes the cell has started before: it is being run again."""
        here = current_client()
        self._is_magic = info.raw_cell.lstrip().startswith("%%")
        self._superseded, self._superseded_routes = [], []
        if here is not None and info.cell_id is not None:
            self._superseded = [run for run in here.runs.values() if run.origin.cell_id == info.cell_id]
            self._superseded_routes = [one for one in here.routes.values() if one.origin.cell_id == info.cell_id]

    def cell_ends(self, _result: Any) -> None:
        """Stop what the cell has started before and has not started again; let a written notebook have its pictures."""
        self._stop_superseded()
        # Not before: the readers of a route that is opened again stay.
        for route in self._superseded_routes:
            if route.is_open:
                route.stop()
        self._superseded_routes = []
        self._request = None
        here = current_client()
        if here is not None and Origin.here().is_unattended:
            # After the last cell it would be too late.
            here.pictures.catch_up(PICTURE_TIMEOUT)

    def _stop_superseded(self, but: str = "") -> None:
        here = current_client()
        for run in self._superseded:
            if run.name != but and here is not None and here.runs.get(run.name) is run:
                run.stop()
        self._superseded = [run for run in self._superseded if run.name == but]

    def _disown(self, names: frozenset[str]) -> None:
        """Take names back that this cell assigns, but for the run that it replaces, which is about to end."""
        here = current_client()
        replaced = None if self._request is None else self._request.name
        for run in [] if here is None else list(here.runs.values()):
            if run.names is not None and run not in self._superseded and run.name != replaced:
                run.names.disown(names)

    def _is_quiet(self) -> bool:
        """Say whether the cell ends with a semicolon."""
        hook = self._shell.displayhook
        return hook.quiet() if self._request is None else hook.semicolon_at_end_of_expression(self._body)

    def _take_request(self) -> Request | None:
        request, self._request = self._request, None
        return request


@dataclass(frozen=True)
class _Starter:
    """Decorates the outer function of a cell."""

    cells: Cells
    names: frozenset[str]
    is_async: bool
    request: Request | None

    def __call__(self, outer: types.FunctionType) -> None:
        outer.__globals__.pop(STARTER, None)
        self.cells.start(outer, self.names, self.is_async, self.request)


@dataclass(frozen=True)
class _CellSource:
    """A cell, of which each run is a life."""

    code: types.CodeType
    bound: frozenset[str]
    global_names: dict[str, Any]
    notebook: dict[str, Any]

    def make(self) -> tuple[Any, RunNames]:
        names = RunNames(self.bound, self.notebook)
        return names.function(self.code, self.global_names, _show)(), names


def _show(value: object) -> None:
    """Display the value of a cell's last expression, as the cell would."""
    from IPython.display import display

    if value is not None:
        display(value)
