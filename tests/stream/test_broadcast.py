"""Functions whose values are a stream."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from running_server import wait_until

import jupyter_sse as sse
from jupyter_sse.error import StreamNameError, UnknownStreamError
from stream.history import values


class TestBroadcast:
    def test_a_function_that_needs_no_argument_starts_at_once(self, name: str) -> None:
        @sse.broadcast(name)
        def count() -> Any:
            yield from range(3)

        assert wait_until(lambda: count.stream.stats()["end"], "the end")["reason"] == "done"
        assert values(name) == [0, 1, 2]
        assert not count.is_running

    def test_a_function_that_needs_arguments_starts_when_it_is_called(self, name: str) -> None:
        @sse.broadcast(name)
        async def count(upto: int) -> Any:
            for i in range(upto):
                yield i

        with pytest.raises(UnknownStreamError):
            sse.Stream(name).stats()
        count(2)
        wait_until(lambda: count.stream.stats()["end"], "the end")
        count(upto=3)
        wait_until(lambda: values(name) == [0, 1, 2], "the second run")
        assert count.stream.stats()["run"] == 2

    async def test_whoever_has_it_reads_it_in_both_ways(self, name: str) -> None:
        @sse.broadcast(name)
        def count() -> Any:
            yield from range(3)

        assert [event.data for event in count] == ["0", "1", "2"]
        assert [event.data async for event in count] == ["0", "1", "2"]

    def test_it_raises_early_errors(self, name: str) -> None:
        with pytest.raises(ZeroDivisionError):

            @sse.broadcast(name)
            def fail() -> Any:
                yield 1 / 0

    def test_it_keeps_the_functions_name_and_doc(self, name: str) -> None:
        @sse.broadcast(name)
        def documented(n: int) -> Any:
            """What it does."""
            yield n

        assert documented.__name__ == "documented"
        assert documented.__doc__ == "What it does."

    def test_what_is_no_generator_function_is_refused(self, name: str) -> None:
        with pytest.raises(TypeError, match="expected a function with a yield"):
            sse.broadcast(name)(lambda: [1, 2])

    def test_a_method_feeds_the_stream_from_the_object_it_is_called_on(self, name: str) -> None:
        class Sensor:
            def __init__(self, values: list[int]) -> None:
                self.values = values

            @sse.broadcast(name)
            def watch(self, factor: int) -> Any:
                """What it does."""
                yield from (value * factor for value in self.values)

            @sse.broadcast(f"{name}/async")
            async def watch_async(self) -> Any:
                for value in self.values:
                    yield value

            @staticmethod
            @sse.broadcast(f"{name}/static")
            def watch_static(value: int) -> Any:
                yield value

        sensor = Sensor([1, 2])
        sensor.watch(10)
        assert [event.data for event in sensor.watch] == ["10", "20"]
        Sensor([3]).watch(factor=2)
        assert [event.data for event in Sensor.watch] == ["6"]
        sensor.watch_async()
        assert [event.data for event in sensor.watch_async] == ["1", "2"]
        Sensor.watch_static(7)
        assert [event.data for event in sse.subscribe(f"{name}/static")] == ["7"]
        assert sensor.watch.stream.stats()["run"] == 2
        assert sensor.watch.__doc__ == "What it does."
        assert not sensor.watch.is_running

    def test_wrong_arguments_are_refused_where_it_is_called_and_end_nothing(self, name: str) -> None:
        class Sensor:
            @sse.broadcast(name)
            def watch(self) -> Any:
                while True:
                    yield 1
                    threading.Event().wait(0.01)

        sensor = Sensor()
        sensor.watch()
        with pytest.raises(TypeError, match=r"watch\(\) missing 1 required positional argument: 'self'"):
            Sensor.watch()
        assert sensor.watch.is_running
        sensor.watch.stop()

    def test_a_decorator_without_a_name_is_told_to_have_one(self) -> None:
        with pytest.raises(TypeError, match=r'the name of a stream, as in @sse.broadcast\("cpu"\), got <function'):

            @sse.broadcast
            def watch() -> Any:
                yield 1

    def test_a_static_method_is_told_where_its_decorator_stands(self, name: str) -> None:
        with pytest.raises(TypeError, match="write @staticmethod above @broadcast"):

            @sse.broadcast(name)
            @staticmethod
            def watch() -> Any:
                yield 1

    def test_a_bad_name_is_refused_where_it_stands(self) -> None:
        with pytest.raises(StreamNameError):
            sse.broadcast("a b")

    def test_stop_runs_finally(self, name: str) -> None:
        done = []

        @sse.broadcast(name)
        def forever() -> Any:
            try:
                while True:
                    yield 1
                    threading.Event().wait(0.01)
            finally:
                done.append(1)

        forever.stop()
        assert done == [1]
        assert not forever.is_running
