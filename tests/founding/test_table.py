"""``docs/founding-document.md`` has every section of that document, and each test that it names exists."""

from __future__ import annotations

import re

import pytest
from tables import ROOT, missing_tests

TABLE = ROOT / "docs" / "founding-document.md"

SECTIONS = [
    "Simple event stream",
    "JSON data streaming",
    "Structured SSE events",
    "Keep-alive with ping",
    "Real-time chat example",
    "basic event listening",
    "Handling custom events",
    "Chat client example",
    "Error handling",
    "Conditional streaming",
    "Memory management",
    "Connection management",
    "Unit testing",
    "Integration testing",
    "Rate limiting",
    "Authentication",
    "nginx configuration",
    "Monitoring",
]


def test_every_test_that_the_table_names_exists():
    assert missing_tests(TABLE) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_section_has_an_example_and_a_test(section: str):
    row = re.search(rf"^\| [^|]*{re.escape(section)}[^|]* \| (.+) \| (.+) \|$", TABLE.read_text(), re.MULTILINE)
    assert row, section
    assert "::test_" in row[2]
    for notebook in re.findall(r"`(notebooks/[^`]+)`", row[1]):
        assert (ROOT / notebook).is_file()
