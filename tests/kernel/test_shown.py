"""What cells that yield, and loops that are tracked, show below themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from running_kernel import MIME_TYPE

from kernel.state import end_of, values

if TYPE_CHECKING:
    from running_kernel import LoneKernel


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


def test_a_semicolon_keeps_the_last_value_to_itself(kernel: LoneKernel, name: str) -> None:
    shown = kernel.good(f"%%sse {name}\nyield 1\n'shown'")
    shown.wait(lambda cell: len(cell.displays) == 2, "the value")
    kernel.good(f"%%sse {name}\nyield 1\n'not shown';")
    assert end_of(kernel, name)["reason"] == "done"
    plain = kernel.good("yield 1\n'not shown';", "semicolon")
    kernel.wait("not __import__('jupyter_sse.client').client.client().runs")
    assert len(plain.displays) == 1
