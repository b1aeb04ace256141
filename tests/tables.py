"""Tables of ``docs/`` that name tests: which tests they name, and whether there are such."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def named_tests(table: Path) -> set[tuple[str, str]]:
    """Return file and name of every test in a table."""
    return {tuple(found) for found in re.findall(r"`([\w./-]+)::([^`]+)`", table.read_text())}


def missing_tests(table: Path) -> list[str]:
    """Return the tests that a table names and that there are not."""
    named = sorted(named_tests(table))
    return [f"{path}::{name}" for path, name in named if not does_exist(ROOT / path, name)]


def functions_in(path: Path) -> Iterator[ast.FunctionDef]:
    """Yield the tests of a file in Python."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def does_exist(path: Path, name: str) -> bool:
    """Tell whether a file holds a test, whichever of our languages it is in."""
    if not path.is_file():
        return False
    if path.suffix == ".py":
        return any(test.name == name for test in functions_in(path))
    text = path.read_text()
    if path.suffix == ".rs":
        return re.search(rf"fn {re.escape(name)}\(", text) is not None
    return re.search(rf"\bit\(\s*'{re.escape(name)}'", text) is not None
