"""Errors of cells that yield, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kernel.state import end_of, values

if TYPE_CHECKING:
    from running_kernel import LoneKernel


class TestErrors:
    """Each error names what was expected, at the user's line, and leaves stream and kernel intact."""

    def test_an_early_error_is_the_cells_own(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.run(f"%%sse {name}\nyield 1\nyield 2\n1 / 0")
        # The error may come just after the first yield has let the cell return: then it is shown in it.
        cell.wait(lambda cell: cell.error, "the error")
        assert "ZeroDivisionError: division by zero" in cell.error
        assert "line 4" in cell.error
        assert "jupyter_sse" not in cell.error
        end = end_of(kernel, name)
        assert end["reason"] == "error"
        assert end["error"]["type"] == "ZeroDivisionError"
        assert end["error"]["message"] == "division by zero"

    def test_an_error_before_the_first_yield_fails_the_cell(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.run(f"%%sse {name}\nimport nowhere_to_be_found\nyield 1")
        assert cell.status == "error"
        assert "ModuleNotFoundError" in cell.error
        assert "line 2" in cell.error

    def test_a_late_error_is_shown_in_its_own_cell_with_its_line(self, kernel: LoneKernel, name: str) -> None:
        kernel.good("release = False")
        code = "def f():\n    return {}['key']\n\nyield 1\nwhile not release:\n    time.sleep(0.01)\nf()"
        cell = kernel.good(f"%%sse {name}\n{code}")
        other = kernel.good("release = True\ntime.sleep(0.3)")
        cell.wait(lambda cell: cell.error, "the error")
        assert "KeyError: 'key'" in cell.error
        assert "line 8" in cell.error
        assert "line 3, in f()" in cell.error
        assert "jupyter_sse" not in cell.error
        assert other.error == ""
        assert end_of(kernel, name)["error"]["type"] == "KeyError"

    def test_a_late_error_of_an_async_run_likewise(self, kernel: LoneKernel, name: str) -> None:
        kernel.good("release = False")
        code = "yield 1\nwhile not release:\n    await asyncio.sleep(0.01)\n\n{}['key']"
        cell = kernel.good(f"%%sse {name}\n{code}")
        kernel.good("release = True")
        cell.wait(lambda cell: cell.error, "the error")
        assert "line 6" in cell.error
        assert "jupyter_sse" not in cell.error

    def test_a_name_that_is_nowhere_is_said_to_be_not_defined(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.run(f"%%sse {name}\nnowhere_at_all += 1\nyield 1")
        assert "NameError: name 'nowhere_at_all' is not defined" in cell.error

    @pytest.mark.parametrize(
        ("yielded", "field", "remedy"),
        [
            ("b'abc'", "b'abc'", "decode"),
            ("sse.ServerSentEvent(1, event='a\\nb')", "event", ""),
            ("{'data': 1, 'event': 'a\\rb'}", "event", ""),
            ("{'data': 1, 'event': 'sse.end'}", "event", ""),
            ("{'data': 1, 'id': 'a\\0b'}", "id", ""),
            ("{'data': 1, 'id': 'a\\nb'}", "id", ""),
            ("{'data': 1, 'retry': -1}", "retry", ""),
            ("{'data': 1, 'retry': '10'}", "retry", ""),
            ("{'a': {'b': object()}}", "object", ""),
            ("'x' * (2 << 20)", "1048576", ""),
            ("'\\ud800'", "data", ""),
        ],
    )
    def test_a_value_that_cannot_be_sent_is_refused_at_its_yield(
        self, kernel: LoneKernel, name: str, yielded: str, field: str, remedy: str
    ) -> None:
        cell = kernel.run(f"%%sse {name}\ntime.sleep(0)\n\nyield {yielded}")
        assert cell.status == "error"
        assert "Error: " in cell.error
        assert "line 4" in cell.error
        assert "jupyter_sse/" not in cell.error
        last = cell.error.splitlines()[-1]
        assert field in last
        assert remedy in last
        assert len(last) < 600
        assert end_of(kernel, name)["reason"] == "error"
        assert kernel.value("1 + 1") == 2

    def test_a_refused_value_can_be_caught_and_the_stream_goes_on(self, kernel: LoneKernel, name: str) -> None:
        code = "try:\n    yield b'abc'\nexcept ValueError as error:\n    yield type(error).__name__\nyield 3"
        kernel.good(f"%%sse {name}\n{code}")
        assert end_of(kernel, name)["reason"] == "done"
        assert values(kernel, name) == ["EncodeError", 3]

    def test_a_syntax_error_in_a_plain_cell_is_at_its_line(self, kernel: LoneKernel) -> None:
        cell = kernel.run("yield 1\n\nx = (1\ny = 2", "syntax")
        assert "line 3" in cell.error
        assert "SyntaxError" in cell.error
        cell = kernel.run("yield 1\n\nbreak", "syntax")
        assert "line 3" in cell.error
        assert "SyntaxError: 'break' outside loop" in cell.error

    def test_a_syntax_error_in_a_magic_cell_is_at_the_line_of_the_whole_cell(
        self, kernel: LoneKernel, name: str
    ) -> None:
        cell = kernel.run(f"# first\n\n%%sse {name}\nyield 1\nx = (1\ny = 2")
        assert "SyntaxError: '(' was never closed" in cell.error
        assert "line 5" in cell.error
        assert "IPython" not in cell.error
        cell = kernel.run(f"%%sse {name}\nyield 1\n\nbreak")
        assert "line 4" in cell.error

    @pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
    def test_an_error_in_a_magic_cell_is_at_the_line_of_the_whole_cell_however_it_ends(
        self, kernel: LoneKernel, name: str, ending: str
    ) -> None:
        cell = kernel.run(f"%%sse {name}\nx = 1\nif x:\n    raise LookupError('here'){ending}\nyield x{ending}")
        assert "----> 4     raise LookupError('here')" in cell.error

    def test_an_error_in_a_plain_cell_is_shown_with_the_line_it_is_at(self, kernel: LoneKernel) -> None:
        cell = kernel.run("# first\n\nx = 1\nif x:\n    raise LookupError('here')\nyield x", "plain")
        assert "----> 5     raise LookupError('here')" in cell.error

    @pytest.mark.parametrize("bad", ["a b", "lo!ss", "../x", "a//b", "/a", "x" * 300, "ü"])
    def test_an_invalid_name_is_refused(self, kernel: LoneKernel, bad: str) -> None:
        cell = kernel.run(f"%%sse {bad!r}\nyield 1")
        assert cell.status == "error"
        assert "UsageError" in cell.stderr
        assert len(cell.stderr.splitlines()) <= 2
        assert kernel.value("__import__('jupyter_sse.error').error.StreamNameError.__name__") == "StreamNameError"

    def test_a_generator_that_ignores_its_close_is_told_so(self, kernel: LoneKernel, name: str) -> None:
        code = (
            "while True:\n    try:\n        yield 1\n        time.sleep(0.02)\n    except GeneratorExit:\n        pass"
        )
        cell = kernel.good(f"%%sse {name}\n{code}")
        kernel.good(f"sse.stream({name!r}).stop()")
        cell.wait(lambda cell: "generator ignored GeneratorExit" in cell.error, "the error")

    def test_an_error_about_another_loop_hints_at_loop_main(self, kernel: LoneKernel, name: str) -> None:
        code = "yield 1\nawait asyncio.sleep(0)\nraise RuntimeError('Task x got Future y attached to a different loop')"
        cell = kernel.run(f"%%sse {name}\n{code}")
        cell.wait(lambda cell: "--loop main" in cell.error, "the hint")


def test_debug_finds_the_error_of_a_run(kernel: LoneKernel, name: str) -> None:
    cell = kernel.good(f"%%sse {name}\nyield 1\ntime.sleep(0.2)\n{{}}['lost key']")
    cell.wait(lambda cell: cell.error, "the error")
    assert kernel.value("str(__import__('sys').last_value)") == "'lost key'"
