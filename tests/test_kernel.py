"""Cells that yield, in a real kernel without a Jupyter server, as in VS Code or papermill."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_kernel import MIME_TYPE, LoneKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running_kernel import CellKernel

_names = itertools.count()


@pytest.fixture(scope="module")
def kernel() -> Iterator[LoneKernel]:
    """A kernel for all tests of this file; each uses streams and cells of its own."""
    with LoneKernel() as started:
        started.good("%load_ext jupyter_sse\nimport jupyter_sse as sse, time, asyncio\nseen = []")
        yield started


@pytest.fixture
def name() -> str:
    return f"stream-{next(_names)}"


def values(kernel: CellKernel, name: str) -> list[object]:
    """Return the data of a stream's history."""
    return kernel.value(
        f"[event.value() for event in __import__('jupyter_sse.history').history.read_history("
        f"__import__('jupyter_sse.client').client.client(), {name!r})]"
    )


def stats(kernel: CellKernel, name: str) -> dict[str, object]:
    return kernel.value(f"sse.stream({name!r}).stats()")


def end_of(kernel: CellKernel, name: str) -> dict[str, object]:
    """Wait for a stream's end."""
    return kernel.wait(f"sse.stream({name!r}).stats()['end']")


def test_import_loads_nothing_that_a_kernel_does_not_need() -> None:
    with LoneKernel() as fresh:
        unwanted = fresh.value(
            "(__import__('jupyter_sse'), [name for name in ('jupyter_server', 'tornado.httpserver', 'pandas', 'numpy', "
            "'httpx', 'ipywidgets', 'jupyter_sse.server') if name in __import__('sys').modules])[1]"
        )
    assert unwanted == []


def test_yield_before_load_ext_is_pythons_own_error() -> None:
    with LoneKernel() as fresh:
        assert "SyntaxError: 'yield' outside function" in fresh.run("yield 1").error


def test_load_ext_says_nothing_and_the_first_stream_says_once_that_there_is_no_server() -> None:
    with LoneKernel() as fresh:
        assert fresh.good("%load_ext jupyter_sse").outputs == []
        assert "no Jupyter server with jupyter_sse" in fresh.good("yield 1", "a").stderr
        assert fresh.good("yield 1", "b").stderr == ""


class TestCell:
    """What a cell that yields does to the notebook around it."""

    def test_the_cell_returns_at_its_first_yield_and_goes_on(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.good(f"%%sse {name}\nfor i in range(50):\n    yield i\n    time.sleep(0.02)")
        assert cell.seconds < 0.9
        assert end_of(kernel, name)["reason"] == "done"
        assert values(kernel, name) == list(range(50))

    def test_a_cell_that_takes_long_to_yield_returns_after_a_second(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.good(f"%%sse {name}\nimport decimal\nfor _ in range(30):\n    time.sleep(0.1)\nyield 1")
        assert 0.9 < cell.seconds < 2.5
        assert kernel.value("decimal.__name__") == "decimal"
        assert end_of(kernel, name)["reason"] == "done"

    def test_names_are_in_the_notebook_when_the_cell_has_returned(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nimport colorsys\nfound = 42\nyield found\ntime.sleep(0.5)")
        assert kernel.value("(found, colorsys.__name__)") == (42, "colorsys")

    def test_a_busy_kernel_does_not_stop_the_stream(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nfor i in range(60):\n    yield time.time()\n    time.sleep(0.02)")
        begun, ended = kernel.value("(time.time(), [x * x for _ in range(40) for x in range(100_000)] and time.time())")
        assert end_of(kernel, name)["reason"] == "done"
        during = [at for at in values(kernel, name) if begun < at < ended]
        assert len(during) > 5

    def test_a_busy_kernel_does_not_stop_an_async_stream(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nfor i in range(60):\n    yield time.time()\n    await asyncio.sleep(0.02)")
        begun, ended = kernel.value("(time.time(), time.sleep(0.8) or time.time())")
        assert end_of(kernel, name)["reason"] == "done"
        during = [at for at in values(kernel, name) if begun < at < ended]
        assert len(during) > 20

    def test_another_cells_loop_cannot_change_the_stream(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nfor step in range(20):\n    yield step\n    time.sleep(0.05)")
        kernel.good("for step in range(1000, 1010):\n    seen.append(step)\n    time.sleep(0.05)")
        assert end_of(kernel, name)["reason"] == "done"
        assert values(kernel, name) == list(range(20))
        assert kernel.value("(step, seen[-10:])") == (1009, list(range(1000, 1010)))

    def test_prints_go_to_the_cell_that_started_the_run(self, kernel: LoneKernel, name: str) -> None:
        code = "yield 1\nwhile not release:\n    time.sleep(0.01)\nprint('from the run')\n'shown'"
        kernel.good("release = False")
        cell = kernel.good(f"%%sse {name}\n{code}")
        other = kernel.good("release = True\ntime.sleep(0.3)")
        assert cell.wait(lambda cell: "from the run" in cell.stdout, "the print")
        assert cell.wait(lambda cell: any("shown" in one["text/plain"] for one in cell.displays), "the last value")
        assert other.stdout == ""

    def test_prints_of_an_async_run_and_of_its_tasks_go_to_its_cell(self, kernel: LoneKernel, name: str) -> None:
        code = (
            "async def aside():\n    print('from a task')\nyield 1\nwhile not release:\n    await asyncio.sleep(0.01)\n"
            "await asyncio.create_task(aside())\nprint('from the run')"
        )
        kernel.good("release = False")
        cell = kernel.good(f"%%sse {name}\n{code}")
        other = kernel.good("release = True\ntime.sleep(0.3)")
        assert cell.wait(lambda cell: "from the run" in cell.stdout and "from a task" in cell.stdout, "the prints")
        assert other.stdout == ""

    def test_shell_commands_and_magics_work_in_the_cell(self, kernel: LoneKernel, name: str) -> None:
        code = "word = 'spoken'\n!echo {word}\nlines = !echo $word\nyield lines[0]\n%time word = word.upper()\nyield 1"
        cell = kernel.good(f"%%sse {name}\n{code}")
        assert cell.wait(lambda cell: "spoken" in cell.stdout and "Wall time" in cell.stdout, "both outputs")
        assert values(kernel, name)[0] == "spoken"

    def test_a_plain_cell_needs_no_magic(self, kernel: LoneKernel) -> None:
        cell = kernel.good("for i in range(3):\n    yield {'i': i}", "plain-cell")
        stream = cell.displays[0]["text/plain"].split()[1]
        assert stream.endswith("/plain-cell")
        assert end_of(kernel, stream)["reason"] == "done"
        assert values(kernel, stream) == [{"i": 0}, {"i": 1}, {"i": 2}]

    def test_a_future_import_in_the_cell_holds_for_later_cells(self) -> None:
        with LoneKernel() as fresh:
            fresh.good("%load_ext jupyter_sse")
            fresh.good("from __future__ import annotations\nyield 1", "a")
            fresh.good("def g(x: nowhere): pass")
            assert fresh.value("g.__annotations__") == {"x": "nowhere"}


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


class TestStop:
    """A run's ``finally`` runs, whatever ends it."""

    LOOP = "try:\n    while True:\n        yield 1\n        time.sleep(0.02)\nfinally:\n    seen.append({name!r})"

    def test_stop_runs_finally_before_it_returns(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\n{self.LOOP.format(name=name)}")
        assert kernel.value(f"(sse.stream({name!r}).stop(), seen[-1])") == (None, name)
        assert end_of(kernel, name)["reason"] == "stopped"

    def test_the_stop_magic_does_the_same(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\n{self.LOOP.format(name=name)}")
        kernel.good(f"%sse stop {name}")
        assert kernel.value("seen[-1]") == name

    def test_stop_all_stops_runs_and_sent_streams(self, name: str) -> None:
        with LoneKernel() as fresh:
            fresh.good("%load_ext jupyter_sse\nimport jupyter_sse as sse, time\nseen = []")
            fresh.good(f"%%sse {name}\n{self.LOOP.format(name=name)}")
            fresh.good(f"sse.stream('{name}-sent').send(1)")
            fresh.good("%sse stop --all")
            assert end_of(fresh, name)["reason"] == "stopped"
            assert end_of(fresh, f"{name}-sent")["reason"] == "stopped"
            assert fresh.value("seen") == [name]

    def test_stop_interrupts_what_computes_between_two_yields(self, kernel: LoneKernel, name: str) -> None:
        code = f"try:\n    yield 1\n    while True:\n        pass\nfinally:\n    seen.append({name!r})"
        kernel.good(f"%%sse {name}\n{code}")
        cell = kernel.good(f"sse.stream({name!r}).stop()")
        assert cell.seconds < 3
        assert kernel.value("seen[-1]") == name

    def test_stop_lets_an_async_finally_await(self, kernel: LoneKernel, name: str) -> None:
        code = (
            "try:\n    while True:\n        yield 1\n        await asyncio.sleep(0.01)\n"
            f"finally:\n    await asyncio.sleep(0.3)\n    seen.append({name!r})"
        )
        kernel.good(f"%%sse {name}\n{code}")
        assert kernel.value(f"(sse.stream({name!r}).stop(), seen[-1])") == (None, name)

    def test_stop_cancels_an_async_wait(self, kernel: LoneKernel, name: str) -> None:
        code = f"try:\n    yield 1\n    await asyncio.sleep(1000)\nfinally:\n    seen.append({name!r})"
        kernel.good(f"%%sse {name}\n{code}")
        cell = kernel.good(f"sse.stream({name!r}).stop()")
        assert cell.seconds < 3
        assert kernel.value("seen[-1]") == name

    def test_a_generator_that_blocks_is_left_behind_and_this_is_said(self, kernel: LoneKernel, name: str) -> None:
        code = f"try:\n    yield 1\n    time.sleep(7)\n    yield 'late'\nfinally:\n    seen.append({name!r})"
        cell = kernel.good(f"%%sse {name}\n{code}")
        stop = kernel.good(f"sse.stream({name!r}).stop()")
        assert 4.5 < stop.seconds < 7
        cell.wait(lambda cell: "was left behind" in cell.stderr, "the message")
        assert end_of(kernel, name)["reason"] == "stopped"
        kernel.wait(f"seen[-1] == {name!r}")
        assert values(kernel, name) == [1]

    def test_an_async_generator_that_blocks_its_loop_does_not_block_later_ones(
        self, kernel: LoneKernel, name: str
    ) -> None:
        kernel.good(f"%%sse {name}\nyield 1\nawait asyncio.sleep(0)\ntime.sleep(9)")
        kernel.good(f"sse.stream({name!r}).stop()")
        kernel.good(f"%%sse {name}-2\nawait asyncio.sleep(0)\nyield 2")
        assert end_of(kernel, f"{name}-2")["reason"] == "done"

    def test_an_interrupt_while_the_cell_waits_stops_its_run(self, kernel: LoneKernel, name: str) -> None:
        kernel.good("begun = False")
        code = (
            "try:\n    global begun\n    begun = True\n    for _ in range(100):\n        time.sleep(0.05)\n"
            f"    yield 1\nfinally:\n    seen.append({name!r})"
        )
        request, cell = kernel.send(f"%%sse {name}\n{code}")
        cell.wait(lambda cell: cell.displays, "the view")
        kernel.manager.interrupt_kernel()
        kernel.finish(request, cell)
        assert cell.status == "error"
        assert "KeyboardInterrupt" in cell.error
        assert "jupyter_sse" not in cell.error
        assert kernel.value("seen[-1]") == name

    def test_an_interrupt_of_another_cell_leaves_the_run_alone(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nfor i in range(100):\n    yield i\n    time.sleep(0.02)")
        request, cell = kernel.send("print('sleeping')\ntime.sleep(30)")
        cell.wait(lambda cell: cell.stdout, "the cell is busy")
        kernel.manager.interrupt_kernel()
        kernel.finish(request, cell)
        assert "KeyboardInterrupt" in cell.error
        assert end_of(kernel, name)["reason"] == "done"
        assert len(values(kernel, name)) == 100


class TestRunAgain:
    """Running a cell again: one producer, and its readers stay."""

    def test_the_old_runs_finally_has_run_before_the_new_run_starts(self, kernel: LoneKernel) -> None:
        code = (
            "seen.append('begin')\ntry:\n    while True:\n        yield 1\n        time.sleep(0.02)\n"
            "finally:\n    time.sleep(0.2)\n    seen.append('finally')"
        )
        kernel.good("seen = []")
        kernel.good(code, "again")
        cell = kernel.good(code, "again")
        assert kernel.value("seen") == ["begin", "finally", "begin"]
        stream = cell.displays[0]["text/plain"].split()[1]
        assert stats(kernel, stream)["run"] == 2
        assert stats(kernel, stream)["state"] == "live"
        kernel.good(f"%sse stop {stream}")

    def test_a_run_begins_with_what_the_old_one_left(self, kernel: LoneKernel) -> None:
        kernel.good("total = 0")
        code = "while True:\n    total += 1\n    yield total\n    time.sleep(0.02)"
        kernel.good(code, "goes-on")
        kernel.wait("total > 5")
        stream = kernel.good(code, "goes-on").displays[0]["text/plain"].split()[1]
        assert values(kernel, stream)[0] > 5
        kernel.good(f"%sse stop {stream}")

    def test_readers_stay_connected_and_see_no_end(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nwhile True:\n    yield 'first'\n    time.sleep(0.02)", "r")
        kernel.good(
            f"got = []\ndef read():\n    for event in sse.subscribe({name!r}):\n        got.append(event.data)\n"
            "import threading\nreader = threading.Thread(target=read, daemon=True)\nreader.start()"
        )
        kernel.wait("'first' in got")
        kernel.good(f"%%sse {name}\nfor _ in range(3):\n    yield 'second'\n    time.sleep(0.02)", "r")
        kernel.wait("not reader.is_alive()")
        assert kernel.value("got[-3:]") == ["second"] * 3

    def test_a_cell_that_yields_no_more_stops_its_run(self, kernel: LoneKernel) -> None:
        code = "try:\n    while True:\n        yield 1\n        time.sleep(0.02)\nfinally:\n    seen.append('ended')"
        kernel.good("seen = []")
        stream = kernel.good(code, "changes").displays[0]["text/plain"].split()[1]
        assert kernel.good("print(seen)", "changes").stdout == "['ended']\n"
        assert end_of(kernel, stream)["reason"] == "stopped"

    def test_a_cell_that_changes_its_streams_name_stops_the_old_stream(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nwhile True:\n    yield 1\n    time.sleep(0.02)", "renames")
        kernel.good(f"%%sse {name}-new\nyield 2", "renames")
        assert end_of(kernel, name)["reason"] == "stopped"


class TestLoopMain:
    """``--loop main``: in the kernel's own event loop."""

    def test_it_runs_in_the_kernels_loop_and_its_finally_runs(self, kernel: LoneKernel, name: str) -> None:
        code = (
            "import threading\ntry:\n    while True:\n        await asyncio.sleep(0.01)\n"
            f"        yield threading.current_thread().name\nfinally:\n    seen.append({name!r})"
        )
        cell = kernel.good(f"%%sse {name} --loop main\n{code}")
        assert cell.seconds < 0.9
        kernel.wait(f"sse.stream({name!r}).stats()['events'] > 2")
        assert set(values(kernel, name)) == {"MainThread"}
        kernel.good(f"sse.stream({name!r}).stop()")
        kernel.wait(f"seen[-1] == {name!r}")
        assert end_of(kernel, name)["reason"] == "stopped"

    def test_running_it_again_waits_for_the_old_finally(self, kernel: LoneKernel, name: str) -> None:
        code = (
            "seen.append('begin')\ntry:\n    while True:\n        await asyncio.sleep(0.01)\n        yield 1\n"
            "finally:\n    await asyncio.sleep(0.1)\n    seen.append('finally')"
        )
        kernel.good("seen = []")
        kernel.good(f"%%sse {name} --loop main\n{code}", "main")
        kernel.wait("seen == ['begin']")
        kernel.good(f"%%sse {name} --loop main\n{code}", "main")
        kernel.wait("seen == ['begin', 'finally', 'begin']")
        kernel.good(f"sse.stream({name!r}).stop()")

    def test_a_plain_generator_is_refused(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.run(f"%%sse {name} --loop main\nyield 1")
        assert "UsageError" in cell.stderr
        assert "leave it out" in cell.stderr


class TestExtension:
    """Loading, unloading, loading again."""

    def test_load_unload_and_reload_leave_one_hook_or_none(self) -> None:
        hooks = "[type(one).__name__ for one in get_ipython().ast_transformers]"
        with LoneKernel() as fresh:
            fresh.good("%load_ext jupyter_sse")
            fresh.good("import jupyter_sse\njupyter_sse.load_ipython_extension(get_ipython())")
            assert fresh.value(hooks) == ["Cells"]
            fresh.good("%reload_ext jupyter_sse")
            fresh.good("%reload_ext jupyter_sse")
            assert fresh.value(hooks) == ["Cells"]
            assert fresh.value("callable(jupyter_sse.stream)")
            fresh.good("yield 1", "a")
            fresh.good("%unload_ext jupyter_sse")
            assert fresh.value(hooks) == []
            assert "SyntaxError" in fresh.run("yield 1", "b").error
            assert "not found" in fresh.run("%sse list").stderr
            fresh.good("%load_ext jupyter_sse")
            fresh.good("yield 1", "b")

    def test_other_ast_transformers_see_the_cell(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(
            "import ast\nclass Doubled(ast.NodeTransformer):\n    def visit_Constant(self, node):\n"
            "        return ast.copy_location(ast.Constant(node.value * 2), node) if node.value == 21 else node\n"
            "doubled = Doubled()\nget_ipython().ast_transformers.append(doubled)"
        )
        kernel.good(f"%%sse {name}\nyield 21")
        kernel.good("get_ipython().ast_transformers.remove(doubled)")
        assert values(kernel, name) == [42]


class TestView:
    """What a cell displays."""

    def test_a_saved_notebook_keeps_a_bounded_picture_and_a_line_of_text(self, kernel: LoneKernel, name: str) -> None:
        code = "for i in range(5_000):\n    yield {f'series {k} <b>': i * k for k in range(12)}"
        cell = kernel.good(f"%%sse {name}\n{code}")
        assert cell.displays[0]["text/plain"].startswith(f"Stream {name} (cell ")
        cell.wait(lambda cell: cell.updates and "done" in cell.updates[-1]["text/plain"], "the end")
        last = cell.updates[-1]
        assert "5,000 events" in last["text/plain"]
        assert "<svg" in last["text/html"]
        assert "<b>" not in last["text/html"].replace("<b>0", "").split("</svg>")[0]
        assert "series 0 &lt;b&gt;" in last["text/html"]
        assert "<script" not in last["text/html"]
        assert len(str(last)) < 64_000

    def test_without_a_server_there_is_no_live_view_to_connect(self, kernel: LoneKernel, name: str) -> None:
        assert MIME_TYPE not in kernel.good(f"%%sse {name}\nyield 1").displays[0]

    def test_one_event_is_one_event(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.good(f"%%sse {name}\nyield 1")
        cell.wait(lambda cell: cell.updates and ": 1 event, done" in cell.updates[-1]["text/plain"], "the caption")


class TestTrack:
    """What loops show below their cell."""

    def test_a_loop_in_a_loop_is_shown_once(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.good(
            f"for _ in sse.track(range(3), '{name}/outer'):\n"
            f"    for _ in sse.track(range(5), '{name}/inner'):\n"
            "        time.sleep(0.01)"
        )
        shown = [bundle["text/plain"].split()[1] for bundle in cell.displays]
        assert shown == [f"{name}/outer", f"{name}/inner"]
        # What stands there at last is the last run's.
        cell.wait(
            lambda cell: any(
                f"{name}/inner" in bundle["text/plain"]
                and "run 3)" in bundle["text/plain"]
                and "done" in bundle["text/plain"]
                for bundle in cell.updates
            ),
            "the last picture",
        )

    def test_loops_without_a_name_have_streams_of_their_own(self, kernel: LoneKernel, name: str) -> None:
        code = (
            "for _ in sse.track(range(2)):\n    for _ in sse.track(range(2)):\n        pass\n"
            "for _ in sse.track(range(4)):\n    pass"
        )
        for _ in range(2):
            cell = kernel.good(code, name)
            streams = [bundle["text/plain"].split()[1] for bundle in cell.displays]
            assert [stream.rpartition("/")[2] for stream in streams] == ["track", "track-2", "track-3"]
            assert [end_of(kernel, stream)["reason"] for stream in streams] == ["done"] * 3
        assert values(kernel, streams[0])[-1]["n"] == 2

    def test_an_error_of_what_is_iterated_over_is_told_with_the_cells_line(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(
            "\n\ndef failing():\n    yield 1\n    raise LookupError('gone')\ndef through(it):\n    yield from it"
        )
        cell = kernel.run(f"import os\nlist(through(sse.track(failing(), {name!r})))")
        assert "LookupError: gone" in cell.error
        assert end_of(kernel, name)["error"] == {"type": "LookupError", "message": "gone", "line": 2}

    def test_a_cell_that_runs_again_shows_its_loop_again(self, kernel: LoneKernel, name: str) -> None:
        code = f"for _ in sse.track(range(2), {name!r}):\n    pass"
        assert [len(kernel.good(code, "again").displays) for _ in range(2)] == [1, 1]


class TestEndOfKernel:
    """What a kernel leaves when it ends."""

    def test_finally_runs_at_shutdown(self, tmp_path: object) -> None:
        told = f"{tmp_path}/told"
        with LoneKernel() as fresh:
            fresh.good("%load_ext jupyter_sse\nimport asyncio, time")
            loop = (
                "try:\n    while True:\n        yield 1\n        {rest}\n"
                "finally:\n    open({told!r}, 'a').write({letter!r})"
            )
            for letter, head, rest in (
                ("s", "", "time.sleep(0.05)"),
                ("a", "", "await asyncio.sleep(0.05)"),
                ("m", "%%sse main --loop main\n", "await asyncio.sleep(0.05)"),
            ):
                fresh.good(head + loop.format(rest=rest, told=told, letter=letter))
            begun = time.monotonic()
            fresh.shut_down()
            assert time.monotonic() - begun < 4
        assert sorted(Path(told).read_text()) == ["a", "m", "s"]

    def test_a_program_that_runs_notebooks_gets_its_last_run_finished(self, tmp_path: object) -> None:
        told = f"{tmp_path}/told"
        with LoneKernel() as fresh:
            fresh.good("%load_ext jupyter_sse\nimport time", allow_stdin=False)
            fresh.good(
                f"for i in range(15):\n    yield i\n    time.sleep(0.1)\nopen({told!r}, 'w').write(str(i))",
                allow_stdin=False,
            )
            fresh.shut_down()
        assert Path(told).read_text() == "14"


def test_threads_that_send_at_once_lose_nothing(kernel: LoneKernel, name: str) -> None:
    kernel.good(
        f"stream = sse.stream({name!r}, history=50_000)\nimport threading\n"
        "def work(k):\n    for i in range(2_000):\n        stream.send([k, i])\n"
        "threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()\nassert stream.flush(10)"
    )
    got = values(kernel, name)
    assert len(got) == 16_000
    for k in range(8):
        assert [i for which, i in got if which == k] == list(range(2_000))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_send_by_links_of_their_own(
    kernel: LoneKernel, name: str, method: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # What is spawned must be found in a module.
    folder = tmp_path_factory.mktemp("child")
    folder.joinpath("child_work.py").write_text(
        "import jupyter_sse as sse\n"
        "def by_stream(stream, k):\n    for i in range(500):\n        stream.send([k, i])\n"
        "def by_name(name, k):\n    stream = sse.stream(name)\n    for i in range(500):\n        stream.send([k, i])\n"
    )
    kernel.good(
        f"import sys, multiprocessing\nsys.path.insert(0, {str(folder)!r})\nimport child_work\n"
        f"context = multiprocessing.get_context({method!r})\n"
        f"stream = sse.stream({name!r})\nstream.send('parent')\n"
        f"children = [context.Process(target=child_work.by_stream, args=(stream, 0)), "
        f"context.Process(target=child_work.by_name, args=({name!r}, 1))]\n"
        "for child in children: child.start()\nfor child in children: child.join()\n"
        "stream.send('parent again')\nassert stream.flush(10)\nassert [c.exitcode for c in children] == [0, 0]"
    )
    got = kernel.wait(f"sse.stream({name!r}).stats()['events'] == 1002") and values(kernel, name)
    assert got[0] == "parent"
    for k in range(2):
        assert [one[1] for one in got if isinstance(one, list) and one[0] == k] == list(range(500))
    assert stats(kernel, name)["state"] == "live"
    assert stats(kernel, name)["run"] == 1


def test_a_second_kernel_shares_nothing_without_a_server(kernel: LoneKernel, name: str) -> None:
    kernel.good(f"sse.stream({name!r}).send(1)")
    with LoneKernel() as other:
        other.good("import jupyter_sse as sse")
        cell = other.run(f"sse.stream({name!r}).close()\nnext(iter(sse.subscribe('{name}-not-there')))")
        assert "UnknownStreamError" in cell.error


def test_many_runs_at_once_are_stopped_together(name: str) -> None:
    with LoneKernel() as fresh:
        fresh.good("import jupyter_sse as sse, time, threading\n%load_ext jupyter_sse")
        fresh.good(
            "def make(k):\n    @sse.broadcast(f'many-{k}', view=False)\n    def run():\n        while True:\n"
            "            yield k\n            time.sleep(0.05)\nfor k in range(30):\n    make(k)"
        )
        cell = fresh.good("%sse stop --all")
        assert cell.seconds < 3
        assert fresh.value("threading.active_count()") < 20


def test_waiting_threads_do_not_hold_the_kernel(kernel: LoneKernel, name: str) -> None:
    """A run that reads another stream can be stopped while it waits for an event."""
    kernel.good(f"source = sse.stream('{name}-source')\nsource.send(1)")
    kernel.good(f"%%sse {name}\nfor event in sse.subscribe('{name}-source'):\n    yield event.data")
    kernel.wait(f"sse.stream({name!r}).stats()['events'] == 1")
    begun = threading.Event()
    begun.set()
    assert kernel.good(f"sse.stream({name!r}).stop()").seconds < 3


def test_a_run_can_stop_itself(kernel: LoneKernel, name: str) -> None:
    cell = kernel.good(
        f"%%sse {name}\nfor i in range(100):\n    if i == 3:\n        sse.stream({name!r}).stop()\n    yield i"
    )
    assert cell.seconds < 3
    assert end_of(kernel, name)["reason"] == "stopped"
    assert values(kernel, name) == [0, 1, 2]


def test_a_semicolon_keeps_the_last_value_to_itself(kernel: LoneKernel, name: str) -> None:
    shown = kernel.good(f"%%sse {name}\nyield 1\n'shown'")
    shown.wait(lambda cell: len(cell.displays) == 2, "the value")
    kernel.good(f"%%sse {name}\nyield 1\n'not shown';")
    assert end_of(kernel, name)["reason"] == "done"
    plain = kernel.good("yield 1\n'not shown';", "semicolon")
    kernel.wait("not __import__('jupyter_sse.client').client.client().runs")
    assert len(plain.displays) == 1


def test_timing_a_cell_that_yields_starts_its_run(kernel: LoneKernel) -> None:
    cell = kernel.good("%%time\nfor i in range(3):\n    yield i", "timed")
    assert "Wall time" in cell.stdout
    assert end_of(kernel, cell.displays[0]["text/plain"].split()[1])["reason"] == "done"


def test_without_a_server_there_is_no_address_to_print(kernel: LoneKernel, name: str) -> None:
    kernel.good(f"sse.stream({name!r})")
    assert "expected a Jupyter server" in kernel.good(f"%sse url {name}").stderr


class TestMagic:
    """What ``%sse`` says."""

    def test_help_is_a_command_too(self, kernel: LoneKernel) -> None:
        text = kernel.good("%sse help").stdout
        assert text == kernel.good("%sse --help").stdout == kernel.good("%sse").stdout
        assert all(command in text for command in ("list", "stop", "view", "url"))
        assert "--all" in kernel.good("%sse help stop").stdout

    @pytest.mark.parametrize("keys", ["a, b", "a ,b", "a , b", "'a, b'", "a,b"])
    def test_keys_may_stand_apart(self, kernel: LoneKernel, name: str, keys: str) -> None:
        kernel.good(f"%%sse --y {keys} {name} --view plot\nyield {{'a': 1, 'b': 2}}")
        assert stats(kernel, name)["options"]["view"] == {"kind": "plot", "x": None, "y": ["a", "b"], "window": None}

    @pytest.mark.parametrize("command", ["url", "view", "stop"])
    def test_an_unknown_stream_is_said_in_one_sentence(self, kernel: LoneKernel, command: str) -> None:
        said = kernel.run(f"%sse {command} nope").stderr
        assert said == f'UsageError: %sse {command}: there is no stream "nope" on this server\n'


def test_names_of_streams_complete(kernel: LoneKernel, name: str) -> None:
    kernel.good(f"sse.stream({name!r})")

    def matches(text: str) -> list[str]:
        return kernel.value(f"get_ipython().complete('', {text!r}, {len(text)})[1]")

    assert {"list", "stop", "view", "url", "help"} <= set(matches("%sse "))
    assert name in matches("%sse stop ")


def test_debug_finds_the_error_of_a_run(kernel: LoneKernel, name: str) -> None:
    cell = kernel.good(f"%%sse {name}\nyield 1\ntime.sleep(0.2)\n{{}}['lost key']")
    cell.wait(lambda cell: cell.error, "the error")
    assert kernel.value("str(__import__('sys').last_value)") == "'lost key'"
