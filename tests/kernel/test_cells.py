"""Cells that yield, in a real kernel without a Jupyter server, as in VS Code or papermill."""

from __future__ import annotations

import pytest
from running_kernel import LoneKernel

from kernel.state import end_of, stats, values


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

    @pytest.mark.alone
    def test_the_cell_returns_at_its_first_yield_and_goes_on(self, kernel: LoneKernel, name: str) -> None:
        cell = kernel.good(f"%%sse {name}\nfor i in range(50):\n    yield i\n    time.sleep(0.02)")
        assert cell.seconds < 0.9
        assert end_of(kernel, name)["reason"] == "done"
        assert values(kernel, name) == list(range(50))

    @pytest.mark.alone
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

    @pytest.mark.alone
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


def test_timing_a_cell_that_yields_starts_its_run(kernel: LoneKernel) -> None:
    cell = kernel.good("%%time\nfor i in range(3):\n    yield i", "timed")
    assert "Wall time" in cell.stdout
    assert end_of(kernel, cell.displays[0]["text/plain"].split()[1])["reason"] == "done"
