"""Cells as generator functions, and the names of their runs: no kernel is needed to see what they do."""

from __future__ import annotations

import ast
import asyncio
import sys
import traceback
from typing import Any

import pytest

from jupyter_sse.cell import OUTER, bound_names, cell_function, inner_code, yields
from jupyter_sse.namespace import RunNames


class Run:
    """A run of a cell in a notebook that is a dict."""

    def __init__(self, source: str, notebook: dict[str, Any] | None = None, **options: Any) -> None:
        self.notebook = {"__name__": "__main__"} if notebook is None else notebook
        module = ast.parse(source, "<cell>")
        assert yields(module)
        function = cell_function(module, **options)
        scratch: dict[str, Any] = {}
        exec(compile(function.module, "<cell>", "exec"), self.notebook, scratch)
        self.is_async = function.is_async
        self.names = RunNames(function.names, self.notebook)
        self.shown: list[object] = []
        code = inner_code(scratch[OUTER].__code__)
        self.generator = self.names.function(code, self.notebook, self.shown.append)()

    def take(self) -> list[Any]:
        """Run to the end, and give the notebook the values."""
        events = list(self.generator)
        self.names.copy_out()
        return events


def events_of(source: str, **notebook: Any) -> list[Any]:
    return Run(source, {"__name__": "__main__", **notebook}).take()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("yield 1", True),
        ("x = yield", True),
        ("yield from x", True),
        ("for i in y:\n    if i:\n        yield i", True),
        ("def f():\n    yield 1", False),
        ("f = lambda: (yield)", False),
        ("class A:\n    yield 1", False),
        ("async def f():\n    yield 1", False),
        ("def f(x=(yield)): pass", True),
        ("[x for x in (yield)]", True),
        ("x = 1", False),
    ],
)
def test_yields_finds_yields_outside_functions_only(source: str, expected: bool) -> None:
    assert yields(ast.parse(source)) is expected


def test_names_that_the_cell_binds_are_those_that_python_would_bind() -> None:
    source = """
import os.path, json as j
from math import pi as p, tau
a = b, *c = 1, 2
a += 1
d: int = 1
e: int
for f in (): pass
with open(x) as g: pass
try: pass
except Exception as h: pass
def i(unbound=1): unbound2 = 1
class k: unbound3 = 1
[unbound4 for unbound4 in y]
any((l := n) for n in z)
lambda unbound5: unbound6
match v:
    case {"x": m, **n}: pass
    case [o, *q]: pass
    case str() as r: pass
del s
def t():
    global u
async def w(): pass
"""
    bound = bound_names(ast.parse(source))
    assert bound == set("abcdfghijklmnopqrstuw") | {"os", "tau"}


def test_a_run_takes_the_notebooks_value_of_a_name_it_binds() -> None:
    assert events_of("count += 1\nyield count", count=4) == [5]


def test_a_name_that_is_nowhere_is_not_defined() -> None:
    with pytest.raises(NameError, match="count"):
        events_of("count += 1\nyield count")


def test_a_name_that_is_only_read_is_looked_up_when_it_is_read() -> None:
    run = Run("yield flag\nyield flag", {"flag": 1})
    first = next(run.generator)
    run.notebook["flag"] = 2
    assert [first, *run.generator] == [1, 2]


def test_a_builtin_is_there_until_the_cell_assigns_its_name() -> None:
    run = Run("max = max(1, 2)\nyield max", {})
    assert run.take() == [2]
    assert run.notebook["max"] == 2


def test_a_builtin_that_was_not_assigned_is_not_copied_out() -> None:
    run = Run("yield 1\nif False:\n    max = 1", {})
    run.take()
    assert "max" not in run.notebook


def test_functions_and_comprehensions_see_the_runs_names() -> None:
    source = "n = 2\ndef f(): return n\nyield f()\nn = 3\nyield f(), [n * k for k in range(2)], (lambda: n)()"
    assert events_of(source) == [2, (3, [0, 3], 3)]


def test_classes_work_as_in_any_cell() -> None:
    source = (
        "n = 1\nclass A:\n    m = n\n    def f(self): return __class__.__name__, self.m\n"
        "class B(A):\n    def f(self): return super().f()\nyield B().f()\nyield B.__qualname__, B.f.__qualname__"
    )
    assert events_of(source) == [("A", 1), ("B", "B.f")]


def test_global_in_a_function_shares_the_name_with_the_notebook() -> None:
    run = Run("n = 0\ndef f():\n    global n\n    n += 1\nf()\nyield n\nf()\nyield n", {})
    assert next(run.generator) == 1
    assert run.notebook["n"] == 1
    run.notebook["n"] = 10
    assert next(run.generator) == 11


def test_global_in_the_cell_shares_the_name_with_the_notebook() -> None:
    run = Run("global n\nn = 1\nyield n\nyield n", {})
    next(run.generator)
    run.notebook["n"] = 5
    assert next(run.generator) == 5


def test_imports_bind_modules_and_names() -> None:
    run = Run("import os.path\nfrom json import dumps as d\nyield os.sep, d(1)", {})
    assert run.take() == [("/", "1")]
    assert run.notebook["d"](2) == "2"


def test_import_star_gives_the_notebook_the_names_and_the_run_its_own() -> None:
    run = Run("pi = 0\nfrom math import *\nyield pi > 3, tau > 6", {"__name__": "__main__"})
    assert run.take() == [(True, True)]
    assert run.notebook["pi"] > 3
    assert run.notebook["tau"] > 6


def test_future_imports_hold_for_the_cell() -> None:
    source = "from __future__ import annotations\ndef f(x: nowhere): pass\nyield f.__annotations__"
    assert events_of(source) == [{"x": "nowhere"}]


def test_annotated_names_are_names() -> None:
    run = Run("x: int = 1\ny: int\nyield x", {})
    assert run.take() == [1]
    assert run.notebook["x"] == 1
    assert "y" not in run.notebook


def test_deleted_names_leave_the_notebook() -> None:
    run = Run("y = 1\nyield y\ndel y, x", {"x": 1})
    run.take()
    assert "x" not in run.notebook
    assert "y" not in run.notebook


def test_the_name_of_an_exception_is_gone_after_its_handler() -> None:
    run = Run("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    yield str(e)", {})
    assert run.take() == ["division by zero"]
    assert "e" not in run.notebook


def test_match_walrus_and_yield_from_work() -> None:
    source = (
        "match {'a': 1, 'b': [1, 2, 3]}:\n    case {'a': q, 'b': [first, *others], **rest}:\n"
        "        yield q, first, others, rest\n"
        "if any((w := n) > 1 for n in range(4)):\n    yield w\ngot = yield from (7, 8)\nyield got"
    )
    assert events_of(source) == [(1, 1, [2, 3], {}), 2, 7, 8, None]


def test_names_of_our_own_hide_nothing() -> None:
    assert events_of("yield cell, outer, start, hooks", cell=1, outer=2, start=3, hooks=4) == [(1, 2, 3, 4)]
    assert events_of("cell = 1\nouter = 2\nyield cell + outer") == [3]


def test_locals_and_eval_see_the_runs_names() -> None:
    assert events_of("x = 1\ny = x\nyield locals()['y'], eval('x + y')") == [(1, 2)]


def test_pickle_finds_functions_before_the_first_yield(monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle
    import types

    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    source = "import pickle\ndef f(): return 1\nyield pickle.dumps(f)"
    run = Run(source, main.__dict__)
    assert pickle.loads(next(run.generator))() == 1


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("yield 1\n40 + 2", [42]),
        ("yield 1", []),
        ("40 + 2\nyield 1", []),
        ("yield 1\nx = 1", []),
        ("yield 1\nreturn 7", [7]),
        ("yield 1\nif True:\n    return 8\n9", [8]),
    ],
)
def test_the_last_expression_is_displayed(source: str, shown: list[object]) -> None:
    run = Run(source)
    assert run.take() == [1]
    assert run.shown == shown


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"interactivity": "all"}, [1, 3]),
        ({"interactivity": "none"}, []),
        ({"interactivity": "last_expr_or_assign"}, [3]),
        ({"quiet": True}, []),
    ],
)
def test_ipythons_interactivity_holds(options: dict[str, Any], shown: list[object]) -> None:
    run = Run("1\nyield 2\n3", **options)
    run.take()
    assert run.shown == shown


def test_the_last_assignment_is_displayed_where_ipython_says_so() -> None:
    run = Run("yield 1\nx = 5", interactivity="last_expr_or_assign")
    run.take()
    assert run.shown == [5]


async def collect(run: Run) -> list[Any]:
    return [event async for event in run.generator]


def test_a_cell_that_awaits_is_an_async_generator() -> None:
    source = "import asyncio\nawait asyncio.sleep(0)\nyield 1\nyield [x async for x in numbers()]"

    async def numbers() -> Any:
        yield 2

    run = Run(source, {"numbers": numbers})
    assert run.is_async
    assert asyncio.run(collect(run)) == [1, [2]]


def test_yield_from_works_in_a_cell_that_awaits() -> None:
    async def numbers() -> Any:
        yield 3

    run = Run("import asyncio\nawait asyncio.sleep(0)\nyield from [1, 2]\nyield from numbers()", {"numbers": numbers})
    assert asyncio.run(collect(run)) == [1, 2, 3]


def test_return_with_a_value_works_in_a_cell_that_awaits() -> None:
    run = Run("import asyncio\nawait asyncio.sleep(0)\nyield 1\nreturn 'bye'\nyield 2", {})
    assert asyncio.run(collect(run)) == [1]
    assert run.shown == ["bye"]


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("yield 1\nbreak", 2, "'break' outside loop"),
        ("x = 1\nyield x\nnonlocal x", 3, "nonlocal"),
        ("yield 1\nfrom __future__ import annotations", 2, "from __future__ imports must occur at the beginning"),
        ("yield 1\n\n[(yield 2) for x in y]", 3, "'yield' inside list comprehension"),
        ("yield 1\n\nawait f()\nx = yield from y", 4, "'yield from' inside async function"),
        ("yield 1\nclass A:\n    yield 2", 3, "'yield' outside function"),
        ("yield 1\ndef f():\n    await g()", 3, "'await' outside async function"),
    ],
)
def test_what_python_refuses_is_refused_at_its_own_line(source: str, line: int, message: str) -> None:
    with pytest.raises(SyntaxError, match=message) as caught:
        Run(source)
    assert caught.value.lineno == line


def test_a_traceback_has_the_cells_lines_and_names() -> None:
    run = Run("x = 1\n\nyield x\ndef f():\n\n    return 1 / 0\n\nyield f()")
    try:
        list(run.generator)
    except ZeroDivisionError as error:
        frames = [
            (frame.name, frame.lineno)
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == "<cell>"
        ]
    assert frames == [("<module>", 8), ("f", 6)]


class TestNames:
    """What the notebook is told of a run's names."""

    def test_another_cells_loop_cannot_change_a_run(self) -> None:
        run = Run("for step in range(3):\n    yield step", {})
        first = next(run.generator)
        run.names.copy_out()
        run.notebook["step"] = 1000
        assert [first, *run.generator] == [0, 1, 2]

    def test_a_name_that_another_cell_assigned_is_not_copied_out_again(self) -> None:
        run = Run("for step in range(3):\n    yield step", {})
        next(run.generator)
        run.names.copy_out()
        assert run.notebook["step"] == 0
        run.notebook["step"] = 1000
        next(run.generator)
        run.names.copy_out()
        next(run.generator)
        run.names.copy_out()
        assert run.notebook["step"] == 1000

    def test_a_disowned_name_is_left_alone_also_where_its_value_is_the_same_object(self) -> None:
        run = Run("for step in range(3):\n    yield step", {})
        next(run.generator)
        run.names.copy_out()
        # Another cell assigns 0, which is the very object that the run left there.
        run.names.disown({"step"})
        run.notebook["step"] = 0
        next(run.generator)
        run.names.copy_out()
        assert run.notebook["step"] == 0

    def test_a_name_the_run_has_not_changed_does_not_overwrite_the_notebooks(self) -> None:
        run = Run("yield x\nif False:\n    x = 0", {"x": 1})
        next(run.generator)
        run.notebook["x"] = 2
        run.names.copy_out()
        assert run.notebook["x"] == 2

    def test_throwaway_names_are_not_copied_out(self) -> None:
        run = Run("for _ in range(2):\n    yield _", {"_": "the last output"})
        assert run.take() == [0, 1]
        assert run.notebook["_"] == "the last output"

    def test_a_name_deleted_by_another_cell_stays_deleted(self) -> None:
        run = Run("x = 1\nyield\nx = 2\nyield", {})
        next(run.generator)
        run.names.copy_out()
        del run.notebook["x"]
        next(run.generator)
        run.names.copy_out()
        assert "x" not in run.notebook

    def test_after_disown_all_nothing_is_copied(self) -> None:
        run = Run("x = 1\nyield", {})
        run.names.disown_all()
        run.take()
        assert "x" not in run.notebook
