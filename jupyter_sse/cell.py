"""A notebook cell with a top-level ``yield``, made into a generator function with names of its own.

The cell's statements become the body of a function whose cell-level names are closure variables:

    def <outer>():
        step = loss = None                # makes them variables of the outer function
        def <cell>():                     # the code object that runs; `async def` if the cell awaits
            nonlocal step, loss
            ...the cell...

Only the inner code object is used. ``jupyter_sse.namespace`` gives it closure cells that it has filled with the
notebook's values, and can read them from outside at any time, which local variables would not allow. Whatever the
cell does not bind it finds in the notebook, as in any cell. Line numbers and file name stay the cell's own, so
tracebacks, the debugger and ``linecache`` need no help.

What Python allows in a cell but not in a function is rewritten: annotated names, ``from m import *``,
``from __future__``, ``return value`` and ``yield from`` in cells that await, the display of the last expression.
"""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass

# Names that no user can write, so that they hide nothing: the object that rewritten statements call (see
# `namespace.CellHooks`), what starts the run, the two functions, and a loop's variable.
HOOKS = ".hooks"
STARTER = ".start"
OUTER = ".outer"
_CELL = ".cell"
_ITEM = ".item"
MODULE_NAME = "<module>"

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class CellFunction:
    """What a cell became.

    Attributes:
        module: one function definition, to be compiled with the cell's file name and executed in the notebook.
        names: what the cell binds: the names a run owns.
        is_async: the cell awaits, so the function is an async generator function.
    """

    module: ast.Module
    names: frozenset[str]
    is_async: bool


def yields(module: ast.Module) -> bool:
    """Say whether a cell has a ``yield`` outside any function of its own."""
    return _Scope.of(module.body).has_yield


def bound_names(module: ast.Module) -> frozenset[str]:
    """Return the notebook's names that a cell may assign, in the cell itself or by ``global`` in its functions."""
    scope = _Scope.of(module.body)
    return frozenset(scope.bound | scope.shared)


def cell_function(module: ast.Module, *, interactivity: str = "last_expr", quiet: bool = False) -> CellFunction:
    """Rewrite a cell that yields as a function definition.

    Names that the cell, or a function in it, declares ``global`` stay the notebook's: they are shared on purpose.

    Args:
        module: the parsed cell. Its nodes are reused, and changed.
        interactivity: which expressions are displayed, as in ``InteractiveShell.ast_node_interactivity``.
        quiet: the cell ends with a semicolon: its last expression is not displayed.
    """
    body = module.body
    scope = _Scope.of(body)
    names = frozenset(scope.bound - scope.shared - scope.refused)
    _display_expressions(body, "none" if quiet else interactivity)
    futures = _leading_future_imports(body)
    rewriter = _Rewriter(names, is_async=scope.has_await)
    statements = [new for node in body if node not in futures for new in rewriter.rewrite(node)]
    if shared := sorted(scope.bound & scope.shared):
        statements.insert(0, ast.copy_location(ast.Global(shared), body[0]))
    outer = _outer_function(statements, sorted(names), is_async=scope.has_await, first=body[0])
    result = ast.Module(body=[*futures, outer], type_ignores=[])
    ast.fix_missing_locations(result)
    return CellFunction(result, names, scope.has_await)


def inner_code(outer: types.CodeType) -> types.CodeType:
    """Return the code of the cell from the code of its outer function, named as Python names a cell's.

    Functions and classes defined in the cell get the qualified names they would have in any cell, so that
    tracebacks look as usual and pickle finds them in ``__main__``.
    """
    code = next(constant for constant in outer.co_consts if isinstance(constant, types.CodeType))
    prefix = f"{code.co_qualname}.<locals>."
    return _renamed(code, prefix).replace(co_name=MODULE_NAME, co_qualname=MODULE_NAME)


def _renamed(code: types.CodeType, prefix: str) -> types.CodeType:
    constants = tuple(
        _renamed(constant, prefix) if isinstance(constant, types.CodeType) else _without(constant, prefix)
        for constant in code.co_consts
    )
    return code.replace(co_consts=constants, co_qualname=_without(code.co_qualname, prefix))


def _without(constant: object, prefix: str) -> object:
    # A class body holds its own qualified name as a constant.
    return constant.removeprefix(prefix) if isinstance(constant, str) else constant


class _Scope(ast.NodeVisitor):
    """What a cell's own level binds, and whether it yields or awaits.

    Does not look into functions and classes, but for their ``global`` declarations.
    """

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.shared: set[str] = set()
        self.refused: set[str] = set()
        self.has_yield = False
        self.has_await = False
        self._in_comprehension = 0

    @classmethod
    def of(cls, body: list[ast.stmt]) -> _Scope:
        scope = cls()
        for node in body:
            scope.visit(node)
        return scope

    def visit_Name(self, node: ast.Name) -> None:
        # A comprehension's own variables live in the comprehension.
        if not isinstance(node.ctx, ast.Load) and not self._in_comprehension:
            self.bound.add(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        # `:=` binds in the cell, also from within a comprehension.
        self.bound.add(node.target.id)
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        if node.name != "*":
            self.bound.add(node.asname or node.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not _is_future_import(node):
            self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._bind(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._bind(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._bind(node.rest)
        self.generic_visit(node)

    def _bind(self, name: str | None) -> None:
        if name is not None:
            self.bound.add(name)

    def visit_Global(self, node: ast.Global) -> None:
        self.shared.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        # Not a variable of the outer function, so that Python refuses the statement at its own line.
        self.refused.update(node.names)

    def visit_Yield(self, node: ast.Yield) -> None:
        self.has_yield = True
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self.has_yield = True
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        self.has_await = True
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.has_await = True
        self.generic_visit(node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self.has_await = True
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.bound.add(node.name)
        self._visit_all(node.decorator_list)
        self.visit(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        self._find_shared(node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bound.add(node.name)
        self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
        self._find_shared(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all([*node.args.defaults, *(value for value in node.args.kw_defaults if value)])

    def visit_TypeAlias(self, node: ast.AST) -> None:
        # Its value is a scope of its own (Python 3.12).
        self.visit(node.name)  # type: ignore[attr-defined]

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.has_await = self.has_await or bool(node.is_async)
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        if not isinstance(node, _COMPREHENSIONS):
            super().generic_visit(node)
            return
        # Only the first iterable is evaluated by the cell itself.
        first = node.generators[0].iter
        self.visit(first)
        self._in_comprehension += 1
        for child in ast.iter_child_nodes(node):
            self.visit(child)
        self._in_comprehension -= 1

    def _visit_all(self, nodes: list[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _find_shared(self, body: list[ast.stmt]) -> None:
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Global):
                    self.shared.update(node.names)


class _Rewriter(ast.NodeTransformer):
    """Rewrites what Python allows in a cell but not in a function. Leaves functions and classes alone."""

    def __init__(self, names: frozenset[str], *, is_async: bool) -> None:
        self._names = names
        self._is_async = is_async

    def rewrite(self, node: ast.stmt) -> list[ast.stmt]:
        new = self.visit(node)
        return new if isinstance(new, list) else [new]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        # "annotated name can't be nonlocal"
        if not isinstance(node.target, ast.Name):
            return node
        new: ast.stmt = ast.Pass() if node.value is None else ast.Assign(targets=[node.target], value=node.value)
        return ast.copy_location(new, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if [alias.name for alias in node.names] != ["*"]:
            return node
        return _hook("import_star", [ast.Constant(node.module or ""), ast.Constant(node.level)], node)

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        # In an async generator a value is a syntax error; in both kinds it is what the cell leaves behind.
        if node.value is None:
            return [node]
        shown = _hook("show", [node.value], node)
        return [shown, ast.copy_location(ast.Return(value=None), node)]

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        if not self._is_async or not isinstance(node.value, ast.YieldFrom):
            return node
        item = ast.Name(_ITEM, ast.Store())
        loop = ast.AsyncFor(
            target=item,
            iter=_hook_call("iterate", [node.value.value], node),
            body=[ast.Expr(ast.Yield(ast.Name(_ITEM, ast.Load())))],
            orelse=[],
        )
        for part in ast.walk(loop):
            if not hasattr(part, "lineno"):
                ast.copy_location(part, node)
        return loop

    def visit_FunctionDef(self, node: ast.FunctionDef) -> list[ast.stmt]:
        return self._defined(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> list[ast.stmt]:
        return self._defined(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> list[ast.stmt]:
        return self._defined(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        return node

    def _defined(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.stmt]:
        # Told at once: pickle looks for functions and classes in the notebook, maybe before the first yield.
        if node.name not in self._names:
            return [node]
        return [node, _hook("defined", [ast.Constant(node.name)], node)]


def _hook(method: str, arguments: list[ast.expr], at: ast.stmt) -> ast.Expr:
    return ast.copy_location(ast.Expr(_hook_call(method, arguments, at)), at)


def _hook_call(method: str, arguments: list[ast.expr], at: ast.stmt) -> ast.Call:
    hooks = ast.copy_location(ast.Name(HOOKS, ast.Load()), at)
    function = ast.copy_location(ast.Attribute(hooks, method, ast.Load()), at)
    for argument in arguments:
        if not hasattr(argument, "lineno"):
            ast.copy_location(argument, at)
    return ast.copy_location(ast.Call(function, arguments, []), at)


def _display_expressions(body: list[ast.stmt], interactivity: str) -> None:
    """Make the statements that a cell would display call the display hook instead."""
    if interactivity == "last_expr_or_assign":
        shown = _assigned_name(body[-1])
        if shown is not None:
            body.append(ast.copy_location(ast.Expr(shown), body[-1]))
    last = len(body) - 1
    for index, node in enumerate(body):
        if interactivity == "none" or (interactivity != "all" and index != last):
            continue
        # What a yield evaluates to is nothing a reader of the cell is after.
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Yield | ast.YieldFrom):
            body[index] = _hook("show", [node.value], node)


def _assigned_name(node: ast.stmt) -> ast.Name | None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        target = node.target
    else:
        return None
    if not isinstance(target, ast.Name):
        return None
    return ast.copy_location(ast.Name(target.id, ast.Load()), target)


def _is_future_import(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__" and node.level == 0


def _leading_future_imports(body: list[ast.stmt]) -> list[ast.stmt]:
    # Later ones stay where they are, for Python to refuse.
    found = []
    for node in body:
        if _is_future_import(node):
            found.append(node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            break
    return found


def _outer_function(
    statements: list[ast.stmt], names: list[str], *, is_async: bool, first: ast.stmt
) -> ast.FunctionDef:
    # From source, because the fields of these nodes differ between versions of Python.
    kind = "async def" if is_async else "def"
    template = ast.parse(f"def outer():\n    outer = None\n    {kind} cell(): nonlocal outer")
    outer = template.body[0]
    assignment, inner = outer.body
    for node in ast.walk(template):
        if hasattr(node, "lineno"):
            ast.copy_location(node, first)
    outer.name = OUTER
    assignment.targets = [ast.Name(name, ast.Store()) for name in [HOOKS, *names]]
    inner.name = _CELL
    # As of any cell: what IPython shows beside a line number is counted from here.
    inner.lineno, inner.col_offset = 1, 0
    inner.body[0].names = [HOOKS, *names]
    inner.body += statements
    return outer
