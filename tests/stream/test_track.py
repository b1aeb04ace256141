"""Loops whose progress is a stream."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import jupyter_sse as sse
from jupyter_sse.client import client
from jupyter_sse.error import StreamNameError
from stream.history import values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TestTrack:
    def test_a_loop_goes_on_as_before_and_its_progress_is_a_stream(self, name: str) -> None:
        assert list(sse.track([1, 2, 3], name)) == [1, 2, 3]
        events = values(name)
        assert events[0]["n"] == 0
        assert events[-1]["n"] == 3
        assert events[-1]["total"] == 3
        assert set(events[-1]) == {"n", "total", "rate", "elapsed", "remaining"}
        stats = sse.Stream(name).stats()
        assert stats["end"]["reason"] == "done"
        assert stats["options"]["view"]["kind"] == "progress"

    def test_at_most_ten_events_a_second_are_sent(self, name: str) -> None:
        for _ in sse.track(range(200_000), name):
            pass
        assert len(values(name)) < 25
        assert values(name)[-1]["n"] == 200_000

    @pytest.mark.parametrize("leaves", ["break", "raise"])
    def test_a_loop_that_is_left_ends_its_stream(self, name: str, leaves: str) -> None:
        def loop() -> None:
            for i in sse.track(range(10), name):
                if i == 3 and leaves == "break":
                    break
                if i == 3:
                    raise KeyError

        if leaves == "raise":
            with pytest.raises(KeyError):
                loop()
        else:
            loop()
        client().link.flush(10)
        # An exception in the body of a loop is not told to what it iterates over.
        assert sse.Stream(name).stats()["end"]["reason"] == "stopped"
        assert values(name)[-1]["n"] == 3

    @pytest.mark.parametrize("is_async", [False, True])
    def test_what_is_iterated_over_may_fail_and_its_error_is_told(self, name: str, is_async: bool) -> None:
        def failing() -> Any:
            yield 1
            raise KeyError("lost key")

        async def failing_async() -> Any:
            yield 1
            raise KeyError("lost key")

        def loop() -> int:
            line = sys._getframe().f_lineno + 2
            with pytest.raises(KeyError):
                for _ in sse.track(failing(), name):
                    pass
            return line

        async def loop_async() -> int:
            line = sys._getframe().f_lineno + 2
            with pytest.raises(KeyError):
                async for _ in sse.track(failing_async(), name):
                    pass
            return line

        line = asyncio.run(loop_async()) if is_async else loop()
        client().link.flush(10)
        end = sse.Stream(name).stats()["end"]
        assert end["reason"] == "error"
        assert end["error"] == {"type": "KeyError", "message": "'lost key'", "line": line}

    def test_what_nothing_can_iterate_over_is_refused_where_it_stands(self) -> None:
        with pytest.raises(TypeError, match=r"something to iterate over, got 3; count with sse.track\(range\(3\)\)"):
            sse.track(3)
        with pytest.raises(StreamNameError):
            sse.track([1], "a b")

    def test_a_stop_ends_the_reports_and_not_the_loop(self, name: str) -> None:
        done = 0
        for i in sse.track(range(50), name):
            if i == 5:
                sse.Stream(name).stop()
            done += 1
            threading.Event().wait(0.01)
        assert done == 50

    def test_the_length_is_known_where_it_is(self, name: str) -> None:
        assert len(sse.track([1, 2, 3], name)) == 3
        assert len(sse.track(iter([1]), name, total=7)) == 7
        with pytest.raises(TypeError):
            len(sse.track(iter([1]), name))

    async def test_async_loops_are_tracked_too(self, name: str) -> None:
        async def numbers() -> AsyncIterator[int]:
            for i in range(3):
                yield i

        assert [i async for i in sse.track(numbers(), name)] == [0, 1, 2]
        assert values(name)[-1]["n"] == 3
