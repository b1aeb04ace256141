"""Streams as a program holds them, in a process that runs its own hub."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import itertools
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from running_server import wait_until

import jupyter_sse as sse
from jupyter_sse._rust import Hub, Link
from jupyter_sse.client import client
from jupyter_sse.error import EncodeError, LinkError, StreamEndedError, StreamNameError, UnknownStreamError
from jupyter_sse.history import read_history
from jupyter_sse.place import LINK_VARIABLE
from jupyter_sse.subscribe import LocalStream, Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from running_server import JupyterServer

_names = itertools.count()


@pytest.fixture
def name() -> str:
    return f"test/stream-{next(_names)}"


def values(name: str) -> list[Any]:
    assert client().link.flush(10)
    return [event.value() for event in read_history(client(), name)]


class TestSend:
    def test_values_arrive_in_order(self, name: str) -> None:
        stream = sse.stream(name)
        for value in ({"a": 1}, [1, 2], "text", 1.5, None, True):
            stream.send(value)
        assert values(name) == [{"a": 1}, [1, 2], "text", 1.5, None, True]

    def test_type_id_and_retry_can_be_given(self, name: str) -> None:
        stream = sse.stream(name)
        stream.send({"a": 1}, event="status", id=7, retry=100)
        stream.send({"data": 2, "event": "inner", "id": "x"}, event="outer")
        stream.close()
        first, second = list(sse.subscribe(name))
        assert (first.event, first.id, first.data) == ("status", "7", '{"a":1}')
        assert (second.event, second.id, second.data) == ("outer", "x", "2")

    @pytest.mark.parametrize(
        ("data", "fields"),
        [
            (b"abc", {}),
            (object(), {}),
            (1, {"event": "a\nb"}),
            (1, {"event": "sse.x"}),
            (1, {"id": "a\0"}),
            (1, {"id": "x" * 129}),
            (1, {"retry": -1}),
            (1, {"retry": True}),
            ("x" * (2 << 20), {}),
        ],
    )
    def test_what_cannot_be_sent_leaves_the_stream_as_it_was(
        self, name: str, data: Any, fields: dict[str, Any]
    ) -> None:
        stream = sse.stream(name)
        stream.send(1)
        with pytest.raises(EncodeError):
            stream.send(data, **fields)
        stream.send(2)
        assert values(name) == [1, 2]

    def test_an_error_shows_the_callers_line_and_no_more_of_ours_than_the_call(self, name: str) -> None:
        for data, fields in [({"a": object()}, {}), (1, {"event": "a\nb"}), ("x" * (2 << 20), {"id": 1})]:
            with pytest.raises(EncodeError) as caught:
                sse.stream(name).send(data, **fields)
            assert [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)] == [
                "test_an_error_shows_the_callers_line_and_no_more_of_ours_than_the_call",
                "send",
            ]
            assert "During handling" not in "".join(traceback.format_exception(caught.value))

    def test_send_all_counts(self, name: str) -> None:
        async def numbers() -> AsyncIterator[int]:
            for i in range(3):
                yield i

        stream = sse.stream(name)
        assert stream.send_all(range(3)) == 3
        assert asyncio.run(stream.send_all(numbers())) == 3
        assert values(name) == [0, 1, 2, 0, 1, 2]

    def test_flush_and_aflush_wait_for_the_hub(self, name: str) -> None:
        stream = sse.stream(name)
        stream.send(1)
        assert stream.flush(10)
        stream.send(2)
        assert asyncio.run(stream.aflush(10))
        assert stream.stats()["events"] == 2

    def test_offer_gives_back_what_a_full_link_does_not_take(self, tmp_path: Path) -> None:
        hub = Hub(link_path=str(tmp_path / "hub.sock"))
        link = Link(str(tmp_path / "hub.sock"), "kernel", "label", max_unsent_bytes=1 << 16)
        producer = link.open("a", "send")
        hub.close()
        wait_until(lambda: not link.linked, "the link is down")
        results = [producer.offer("x" * 1000) for _ in range(100)]
        assert results[0] is None
        assert results[-1] == sse.ServerSentEvent("x" * 1000)
        link.close(0)


class TestLife:
    def test_the_same_name_gives_the_same_stream_until_it_is_closed(self, name: str) -> None:
        stream = sse.stream(name)
        assert sse.stream(name) is stream
        stream.send(1)
        stream.close()
        assert sse.stream(name) is not stream

    def test_a_closed_stream_has_ended_and_takes_nothing(self, name: str) -> None:
        stream = sse.stream(name)
        stream.send(1)
        stream.close()
        stream.flush(10)
        assert stream.stats()["end"]["reason"] == "done"
        with pytest.raises(StreamEndedError, match="was closed"):
            stream.send(2)
        sse.stream(name).send(3)
        assert values(name) == [3]

    def test_a_stopped_stream_has_ended_and_takes_nothing(self, name: str) -> None:
        stream = sse.stream(name)
        stream.send(1)
        stream.stop()
        assert wait_until(lambda: stream.stats()["end"], "the end")["reason"] == "stopped"
        with pytest.raises(StreamEndedError, match="was stopped"):
            stream.send(2)

    def test_asking_for_a_stream_creates_it_but_does_not_start_it_again(self, name: str) -> None:
        assert sse.stream(name).stats()["state"] == "live"
        sse.stream(name).send(1)
        sse.stream(name).close()
        client().link.flush(10)
        assert sse.stream(name).stats()["run"] == 1
        assert sse.stream(name).stats()["state"] == "ended"

    def test_an_unknown_stream_is_said_to_be_unknown(self, name: str) -> None:
        with pytest.raises(UnknownStreamError):
            sse.Stream(name).stats()
        with pytest.raises(UnknownStreamError):
            sse.Stream(name).stop()
        with pytest.raises(UnknownStreamError):
            sse.Stream(name).to_pandas()

    @pytest.mark.parametrize("bad", ["", "a b", "a//b", "..", "x" * 201, "a\n", 3])
    def test_a_bad_name_is_refused(self, bad: Any) -> None:
        with pytest.raises((StreamNameError, TypeError)):
            sse.stream(bad)

    def test_a_stream_can_be_pickled(self, name: str) -> None:
        stream = sse.stream(name)
        assert pickle.loads(pickle.dumps(stream)) is stream

    def test_it_shows_only_what_users_call(self) -> None:
        shown = {name for name in dir(sse.Stream) if not name.startswith("_")}
        assert shown == {
            *("send", "send_all", "flush", "aflush", "close", "stop"),
            *("view", "url", "stats", "to_pandas", "revoke_tokens"),
        }
        documented = [name for name in shown if getattr(sse.Stream, name).__doc__]
        assert len(documented) == len(shown)

    def test_its_view_is_that_of_its_options_unless_others_are_asked_for(self, name: str) -> None:
        stream = sse.stream(name, view="table", window="60s")
        assert stream.view()._options.kind == "table"
        assert stream.view("log")._options.kind == "log"

    def test_where_there_is_no_server_there_is_no_address(self, name: str) -> None:
        assert sse.stream(name).url is None


class TestOptions:
    def test_history_bounds_what_newcomers_get(self, name: str) -> None:
        stream = sse.stream(name, history=3)
        stream.send_all(range(10))
        assert values(name) == [7, 8, 9]
        assert stream.stats()["options"]["history"] == {"events": 3, "bytes": 16 << 20}

    def test_a_number_of_events_raises_the_bound_on_bytes(self, name: str) -> None:
        assert sse.stream(name, history=100_000).stats()["options"]["history"]["bytes"] == 100_000 * 1024

    @pytest.mark.parametrize(
        "options",
        [
            {"history": -1},
            {"history": 1.5},
            {"history": True},
            {"history": {"event": 1}},
            {"history": {"events": "3"}},
            {"ping_interval": 0},
            {"ping_interval": "1"},
            {"view": "pie"},
            {"window": "abc"},
            {"window": "60 parsecs"},
            {"window": "0s"},
            {"window": -5},
        ],
    )
    def test_a_wrong_option_is_named(self, name: str, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            sse.stream(name, **options)

    @pytest.mark.parametrize("window", ["60s", "60 s", "5 min", "1.5h", "2 Days", "1000", 1000, "100 points", "all"])
    def test_a_window_is_a_time_or_a_number_of_points(self, name: str, window: str | int) -> None:
        assert sse.stream(name, window=window).stats()["options"]["view"]["window"] == str(window)


class TestTable:
    def test_columns_are_flat_and_the_index_is_the_time(self, name: str) -> None:
        before = datetime.datetime.now(datetime.UTC)
        sse.stream(name).send_all([{"a": 1, "b": {"c": {"d": 2}, "e": {}}}, {"a": 3}, 4])
        client().link.flush(10)
        table = sse.stream(name).to_pandas()
        assert list(table.columns) == ["a", "b.c.d", "b.e", "data"]
        assert list(table["a"])[:2] == [1, 3]
        assert table["data"].iloc[2] == 4
        assert abs((table.index[0].to_pydatetime() - before).total_seconds()) < 10

    def test_types_are_a_column_where_there_are_any(self, name: str) -> None:
        stream = sse.stream(name)
        stream.send(1)
        stream.send(2, event="status")
        client().link.flush(10)
        assert list(stream.to_pandas()["event"]) == ["message", "status"]

    def test_a_stream_without_events_is_an_empty_table(self, name: str) -> None:
        assert sse.stream(name).to_pandas().empty


class TestSubscribe:
    def test_iterating_again_goes_on_after_the_last_event(self, name: str) -> None:
        sse.stream(name).send_all(range(5))
        sse.stream(name).close()
        subscription = sse.subscribe(name)
        first = [next(iter(subscription)).data for _ in range(2)]
        assert [*first, *(event.data for event in subscription)] == ["0", "1", "2", "3", "4"]
        assert subscription.end["reason"] == "done"
        assert list(subscription) == []

    def test_a_last_event_id_is_where_it_begins(self, name: str) -> None:
        stream = sse.stream(name)
        for i in range(5):
            stream.send(i, id=f"own-{i}")
        stream.flush(10)
        stream.close()
        assert [event.data for event in sse.subscribe(name, last_event_id="own-2")] == ["3", "4"]

    def test_conflate_yields_the_last_event_of_each_type(self, name: str) -> None:
        stream = sse.stream(name)
        for i in range(100):
            stream.send(i)
            stream.send(i, event="status")
        stream.flush(10)
        stream.close()
        events = list(sse.subscribe(name, conflate=0.05))
        assert [(event.event, event.data) for event in events] == [("message", "99"), ("status", "99")]

    @pytest.mark.parametrize("conflate", [0, -1, 3601, float("nan")])
    def test_conflate_is_a_time(self, name: str, conflate: float) -> None:
        with pytest.raises(ValueError, match=r"conflate: expected seconds from 0\.001 to 3,600, got"):
            sse.subscribe(name, conflate=conflate)

    def test_conflate_of_an_address_is_its_parameter(self) -> None:
        with pytest.raises(ValueError, match=r"\?conflate=0\.5"):
            sse.subscribe("http://localhost/sse/a", conflate=0.5)

    def test_a_gap_is_an_event(self, name: str) -> None:
        stream = sse.stream(name, history=2)
        stream.send(0)
        stream.flush(10)
        position = next(iter(sse.subscribe(name))).id
        stream.send_all(range(1, 10_000))
        stream.close()
        stream.flush(10)
        events = list(sse.subscribe(name, last_event_id=position))
        assert events[0].event == "sse.gap"
        assert [event.data for event in events[1:]] == ["9998", "9999"]

    def test_an_unknown_stream_is_said_to_be_unknown(self, name: str) -> None:
        with pytest.raises(UnknownStreamError):
            next(iter(sse.subscribe(name)))

    def test_events_arrive_while_they_are_sent(self, name: str) -> None:
        stream = sse.stream(name)
        got: list[str] = []

        def read() -> None:
            got.extend(event.data for event in sse.subscribe(name))

        reader = threading.Thread(target=read)
        reader.start()
        for i in range(100):
            stream.send(i)
        wait_until(lambda: stream.stats()["subscribers"] == 1, "the reader")
        stream.send("last")
        stream.close()
        reader.join(30)
        assert got == [*map(str, range(100)), "last"]

    async def test_async_iteration_gets_the_same(self, name: str) -> None:
        stream = sse.stream(name)
        stream.send_all(range(100))
        stream.close()
        subscription = sse.subscribe(name)
        assert [event.data async for event in subscription] == [str(i) for i in range(100)]
        assert subscription.end["reason"] == "done"

    async def test_many_async_readers_share_one_loop(self, name: str) -> None:
        stream = sse.stream(name)

        async def read() -> list[str]:
            return [event.data async for event in sse.subscribe(name)]

        readers = [asyncio.create_task(read()) for _ in range(20)]
        for i in range(50):
            stream.send(i)
            await asyncio.sleep(0)
        stream.close()
        assert await asyncio.gather(*readers) == [[str(i) for i in range(50)]] * 20


class TestSubscribeByAddress:
    """Over HTTP, from a real server."""

    def test_a_connection_that_breaks_is_made_again_and_loses_nothing(self) -> None:
        from running_server import JupyterServer

        running = JupyterServer("--SSEApp.max_stream_age=1", "--SSEApp.reconnection_time=50").start()
        try:
            running.publish("broken", 0)
            got: list[str] = []
            subscription = sse.subscribe(f"{running.url}sse/broken", token=running.token)
            reader = threading.Thread(target=lambda: got.extend(event.data for event in subscription), daemon=True)
            reader.start()
            for i in range(1, 40):
                running.publish("broken", i)
                wait_until(lambda i=i: len(got) == i + 1, f"event {i}")
                # Two connections' lives, and some.
                threading.Event().wait(0.06)
            assert got == [str(i) for i in range(40)]
            running.client.delete("api/sse/streams/broken")
            reader.join(30)
            assert not reader.is_alive()
        finally:
            running.stop()

    async def test_async_iteration_over_an_address(self, server: JupyterServer) -> None:
        server.publish("addressed", 1, 2, 3)
        server.client.delete("api/sse/streams/addressed")
        subscription = sse.subscribe(f"{server.url}sse/addressed", token=server.token)
        assert [event.data async for event in subscription] == ["1", "2", "3"]

    def test_goes_on_after_an_id_of_any_text(self, server: JupyterServer) -> None:
        for text in ("grün", "日本", "a\u2028b"):
            server.publish("any-id", {"data": 1, "id": text}, {"data": 2})
            subscription = sse.subscribe(f"{server.url}sse/any-id", token=server.token, last_event_id=text)
            assert next(iter(subscription)).data == "2"

    @pytest.mark.parametrize("data", ["x", "[]", "5", "[" * 100_000])
    def test_another_servers_own_type_is_an_event_and_no_end(self, data: str) -> None:
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: sse.end\ndata: {data}\n\n"
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve() -> None:
                with listening.accept()[0] as connection:
                    connection.recv(65_536)
                    connection.sendall(answer.encode())

            threading.Thread(target=serve, daemon=True).start()
            subscription = sse.subscribe(f"http://127.0.0.1:{listening.getsockname()[1]}/")
            assert next(iter(subscription)).data == data
            assert subscription.end is None

    @pytest.mark.parametrize("is_async", [False, True])
    def test_of_a_refusal_no_more_is_read_than_its_message_needs(self, is_async: bool) -> None:
        sent = []
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve() -> None:
                with listening.accept()[0] as connection, contextlib.suppress(ConnectionError):
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n")
                    while len(sent) < 1_000:
                        connection.sendall(b"x" * 100_000)
                        sent.append(1)

            server = threading.Thread(target=serve, daemon=True)
            server.start()
            events = sse.subscribe(f"http://127.0.0.1:{listening.getsockname()[1]}/")
            with pytest.raises(LinkError, match="Forbidden"):
                asyncio.run(anext(aiter(events))) if is_async else next(iter(events))
            server.join(30)
        # The rest is what lay in buffers on the way.
        assert len(sent) < 200

    def test_what_cannot_be_read_is_an_error(self, server: JupyterServer) -> None:
        with pytest.raises(UnknownStreamError):
            next(iter(sse.subscribe(f"{server.url}sse/nothing-here", token=server.token)))
        with pytest.raises(sse.SSEError, match="40[13]"):
            next(iter(sse.subscribe(f"{server.url}sse/nothing-here", token="wrong")))
        with pytest.raises(sse.SSEError, match="text/event-stream"):
            next(iter(sse.subscribe(f"{server.url}api/status", token=server.token)))
        with pytest.raises(sse.SSEError, match="cannot be reached"):
            next(iter(sse.subscribe("http://127.0.0.1:9/sse/x")))


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


class TestOutage:
    """What a program is told when its server goes and comes, with a real hub that does both."""

    PROGRAM = """
import functools, sys
import jupyter_sse as sse
from jupyter_sse import client, outage

outage.TOLD_AFTER = 0.1
client.Link = functools.partial(client.Link, max_unsent_bytes=1 << 16, overflow_after=0.3)
stream = sse.stream("out")
for line in sys.stdin:
    for _ in range(int(line)):
        stream.send("x" * 1_000)
    if line == "3\\n":
        stream.flush(10)
    print("sent", flush=True)
"""

    @contextlib.contextmanager
    def program(self, path: Path) -> Iterator[subprocess.Popen[str]]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_SSE")}
        with subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM],
            env={**environment, LINK_VARIABLE: f"0:{path}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            yield process
            process.stdin.close()

    def send(self, process: subprocess.Popen[str], count: int) -> None:
        process.stdin.write(f"{count}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "sent\n"

    def test_a_server_that_goes_and_comes_is_told_once_each(self, tmp_path: Path) -> None:
        path = tmp_path / "hub.sock"
        hub = Hub(link_path=str(path))
        with self.program(path) as process:
            self.send(process, 3)
            hub.close()
            assert "the Jupyter server is away (" in process.stderr.readline()
            self.send(process, 2)
            hub = Hub(link_path=str(path))
            assert re.search(r"is back after \d+ s; no event was lost", process.stderr.readline())
            self.send(process, 3)
            process.stdin.close()
            assert process.stderr.read() == ""
        hub.close()

    def test_losses_are_told_once_and_counted_when_the_server_is_back(self, tmp_path: Path) -> None:
        path = tmp_path / "hub.sock"
        hub = Hub(link_path=str(path))
        with self.program(path) as process:
            self.send(process, 3)
            hub.close()
            assert "is away" in process.stderr.readline()
            self.send(process, 1_000)
            assert "events are being dropped" in process.stderr.readline()
            self.send(process, 1_000)
            hub = Hub(link_path=str(path))
            told = process.stderr.readline()
            lost = int(re.search(r"is back after \d+ s; ([0-9,]+) events were lost", told)[1].replace(",", ""))
            process.stdin.close()
            assert process.stderr.read() == ""
        # The first three were received by the hub that is gone.
        kept = [event for event in Subscription(LocalStream(str(path), "out")) if event.event == "message"]
        hub.close()
        assert lost > 0
        assert len(kept) + lost == 2_000


class TestFork:
    """A child that was forked, and outlives a parent that ran the hub."""

    PROGRAM = """
import os, sys
import jupyter_sse as sse
from jupyter_sse.client import client

stream = sse.stream("parents")
stream.send(1)
stream.flush()
events = iter(sse.subscribe("parents"))
next(events)
if os.fork():
    print(client().link_path, flush=True)
    os.read(0, 1)
else:
    os.read(0, 1)
    os.write(1, b"child")
    os._exit(0)
"""

    def test_a_child_that_outlives_its_parent_keeps_none_of_its_sockets(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_SSE")}
        with subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as parent:
            path = parent.stdout.readline().decode().strip()
            with LocalStream(path, "parents").connect(None, is_return=False) as chunks:
                assert any(b"data: 1" in chunk for chunk in chunks)
                parent.kill()
                parent.wait(30)
                # The hub's connections end with it, and nobody listens where it did.
                assert b"".join(chunks) == b""
            with socket.socket(socket.AF_UNIX) as dialer, pytest.raises(ConnectionRefusedError):
                dialer.connect(path)
            # The child is there all the while.
            parent.stdin.close()
            assert parent.stdout.read() == b"child"
