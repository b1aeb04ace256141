"""``docs/rules.md`` names the tests of each sentence: all of them exist, and none is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "rules.md"
HERE = Path(__file__).parent


def named_tests() -> set[tuple[str, str]]:
    """Return file and name of every test in the table."""
    return {tuple(found) for found in re.findall(r"`([\w./-]+)::([^`]+)`", TABLE.read_text())}


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


def test_every_test_that_the_table_names_exists():
    named = named_tests()
    assert len(named) > 80
    assert [f"{path}::{name}" for path, name in sorted(named) if not does_exist(ROOT / path, name)] == []


def test_every_test_of_a_rule_stands_in_the_table():
    files = [path for path in HERE.glob("test_*.py") if path != Path(__file__)]
    here = {(path.relative_to(ROOT).as_posix(), test.name) for path in files for test in functions_in(path)}
    assert sorted(here - named_tests()) == []


def test_every_sentence_has_a_test():
    rows = re.findall(r"^\| (.+) \| (.+) \|$", TABLE.read_text(), re.MULTILINE)
    sentences = [(sentence, tests) for sentence, tests in rows if sentence != "Sentence"]
    assert [sentence for sentence, tests in sentences if "::" not in tests] == []


def test_every_test_of_a_rule_runs_on_both_paths():
    for path in HERE.glob("test_*.py"):
        for test in functions_in(path) if path != Path(__file__) else ():
            fixtures = {argument.arg for argument in test.args.args}
            assert fixtures & {"site", "handed_over_site"}, f"{path.name}::{test.name}"
