"""The names of one run of a cell: taken from the notebook at its start, its own from then on, copied out again."""

from __future__ import annotations

import builtins
import threading
import types
from typing import TYPE_CHECKING, Any

from jupyter_sse.cell import HOOKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, MutableMapping

_MISSING = object()
_THROWAWAY = frozenset({"_", "__", "___"})


class RunNames:
    """The variables of a run, and what the notebook is told of them.

    Another cell that assigns one of the names takes it back: from then on it is no longer copied out. Two signs tell:
    the value in the notebook is no longer the one this run left there, or ``disown``, which also knows of a value that
    happens to be the same object (small numbers are).

    Args:
        names: what the cell binds.
        notebook: the notebook's namespace.

    Threads: ``copy_out``, ``define`` and ``disown`` may be called from any thread.
    """

    def __init__(self, names: Iterable[str], notebook: MutableMapping[str, Any]) -> None:
        self._notebook = notebook
        self._cells = {name: types.CellType() for name in sorted(names)}
        # Name -> (what the run held, what the notebook held) when they were last compared. Names that are not in it
        # belong to the notebook. Guarded by the lock, under which no code of the user's runs.
        self._copied: dict[str, tuple[object, object]] = {}
        self._lock = threading.Lock()
        for name, cell in self._cells.items():
            theirs = notebook.get(name, _MISSING)
            # A cell's names hide the builtins only once they are assigned: `max = max(values)`.
            ours = getattr(builtins, name, _MISSING) if theirs is _MISSING else theirs
            if ours is not _MISSING:
                cell.cell_contents = ours
            if name not in _THROWAWAY:
                self._copied[name] = (ours, theirs)

    def function(
        self, code: types.CodeType, global_names: dict[str, Any], show: Callable[[object], None]
    ) -> types.FunctionType:
        """Make the cell's function, whose variables are this run's.

        Args:
            code: the cell's code, from ``cell.inner_code``.
            global_names: where it finds what it does not bind.
            show: displays the value of the cell's last expression.
        """
        hooks = types.CellType(CellHooks(self, global_names, show))
        closure = tuple(hooks if name == HOOKS else self._cells[name] for name in code.co_freevars)
        return types.FunctionType(code, global_names, code.co_name, None, closure)

    def copy_out(self) -> None:
        """Give the notebook the values that have changed since the last time."""
        with self._lock:
            for name in list(self._copied):
                self._copy_one(name)

    def define(self, name: str) -> None:
        """Give the notebook the value of one name."""
        with self._lock:
            if name in self._copied:
                self._copy_one(name)

    def disown(self, names: Iterable[str]) -> None:
        """Leave these names to the notebook for good: another cell assigns them."""
        with self._lock:
            for name in names:
                self._copied.pop(name, None)

    def disown_all(self) -> None:
        """Leave the notebook alone from now on."""
        with self._lock:
            self._copied.clear()

    def assign(self, values: Mapping[str, object]) -> dict[str, object]:
        """Assign the names that are this run's, and return the others."""
        others = {}
        for name, value in values.items():
            if name in self._cells:
                self._cells[name].cell_contents = value
            else:
                others[name] = value
        return others

    def _copy_one(self, name: str) -> None:
        held, theirs = self._copied[name]
        try:
            ours = self._cells[name].cell_contents
        except ValueError:
            ours = _MISSING
        if self._notebook.get(name, _MISSING) is not theirs:
            del self._copied[name]
        elif ours is not held:
            if ours is _MISSING:
                self._notebook.pop(name, None)
            else:
                self._notebook[name] = ours
            self._copied[name] = (ours, ours)


class CellHooks:
    """What the rewritten statements of a cell call. ``cell.HOOKS`` names it in the cell's code."""

    def __init__(self, names: RunNames, global_names: dict[str, Any], show: Callable[[object], None]) -> None:
        self._names = names
        self._globals = global_names
        self.show = show
        self.defined = names.define

    def import_star(self, module: str, level: int) -> None:
        """Do ``from module import *``: into the run's names where they are its own, else into the notebook."""
        __tracebackhide__ = True
        scratch = {name: self._globals[name] for name in ("__name__", "__package__") if name in self._globals}
        exec(f"from {'.' * level}{module} import *", scratch)  # noqa: S102
        own = ("__name__", "__package__", "__builtins__")
        imported = {name: value for name, value in scratch.items() if name not in own}
        self._globals.update(self._names.assign(imported))

    @staticmethod
    async def iterate(source: Any) -> AsyncIterator[object]:
        """Do ``yield from`` in a cell that awaits, over what is iterable in either way."""
        if hasattr(source, "__aiter__"):
            async for item in source:
                yield item
        else:
            for item in source:
                yield item
