"""``docs/rules.md`` names the tests of each sentence: all of them exist, and none is left out."""

from __future__ import annotations

import re
from pathlib import Path

from tables import ROOT, functions_in, missing_tests, named_tests

TABLE = ROOT / "docs" / "rules.md"
HERE = Path(__file__).parent


def test_every_test_that_the_table_names_exists():
    assert len(named_tests(TABLE)) > 80
    assert missing_tests(TABLE) == []


def test_every_test_of_a_rule_stands_in_the_table():
    files = [path for path in HERE.glob("test_*.py") if path != Path(__file__)]
    here = {(path.relative_to(ROOT).as_posix(), test.name) for path in files for test in functions_in(path)}
    assert sorted(here - named_tests(TABLE)) == []


def test_every_sentence_has_a_test():
    rows = re.findall(r"^\| (.+) \| (.+) \|$", TABLE.read_text(), re.MULTILINE)
    sentences = [(sentence, tests) for sentence, tests in rows if sentence != "Sentence"]
    assert [sentence for sentence, tests in sentences if "::" not in tests] == []


def test_every_test_of_a_rule_runs_on_both_paths():
    for path in HERE.glob("test_*.py"):
        for test in functions_in(path) if path != Path(__file__) else ():
            fixtures = {argument.arg for argument in test.args.args}
            assert fixtures & {"site", "handed_over_site"}, f"{path.name}::{test.name}"
