"""What ends the runs of cells, and a kernel with them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from running_kernel import LoneKernel

from kernel.state import end_of, values


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
        # On a busy machine it may be seen to have begun no sooner than cells usually wait.
        timeout = "jupyter_sse.run.FIRST_YIELD_TIMEOUT"
        kernel.good(f"import jupyter_sse.run\nusual, {timeout} = {timeout}, 30")
        code = (
            "try:\n    print('begun')\n    for _ in range(1000):\n        time.sleep(0.05)\n"
            f"    yield 1\nfinally:\n    seen.append({name!r})"
        )
        request, cell = kernel.send(f"%%sse {name}\n{code}")
        # The view is shown before: an interrupt would come while the run is still being started.
        cell.wait(lambda cell: cell.stdout, "the run has begun")
        kernel.manager.interrupt_kernel()
        kernel.finish(request, cell)
        kernel.good(f"{timeout} = usual")
        assert cell.status == "error"
        assert "KeyboardInterrupt" in cell.error
        assert "jupyter_sse" not in cell.error
        assert kernel.value("seen[-1]") == name

    @pytest.mark.parametrize("wait", ["time.sleep(0)", "await asyncio.sleep(0)"])
    def test_an_interrupt_while_the_run_is_started_leaves_no_run_open(
        self, kernel: LoneKernel, name: str, wait: str
    ) -> None:
        kernel.good(
            "import os, signal\nfrom jupyter_sse.display import View\nshow = View.show\n"
            "def show_and_interrupt(view):\n    show(view)\n    os.kill(os.getpid(), signal.SIGINT)\n"
            "View.show = show_and_interrupt"
        )
        cell = kernel.run(f"%%sse {name}\n{wait}\nseen.append({name!r})\nyield 1")
        kernel.good("View.show = show")
        assert "KeyboardInterrupt" in cell.error
        assert "jupyter_sse" not in cell.error
        assert end_of(kernel, name)["reason"] == "stopped"
        assert kernel.value(f"{name!r} in seen") is False
        kernel.good(f"%%sse {name}\n{wait}\nyield 2")
        assert end_of(kernel, name)["reason"] == "done"

    def test_an_interrupt_of_another_cell_leaves_the_run_alone(self, kernel: LoneKernel, name: str) -> None:
        kernel.good(f"%%sse {name}\nfor i in range(100):\n    yield i\n    time.sleep(0.02)")
        request, cell = kernel.send("print('sleeping')\ntime.sleep(30)")
        cell.wait(lambda cell: cell.stdout, "the cell is busy")
        kernel.manager.interrupt_kernel()
        kernel.finish(request, cell)
        assert "KeyboardInterrupt" in cell.error
        assert end_of(kernel, name)["reason"] == "done"
        assert len(values(kernel, name)) == 100


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
