"""Streams as a program holds them, in a process that runs its own hub."""

from __future__ import annotations

import asyncio
import datetime
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from running_server import wait_until

import jupyter_sse as sse
from jupyter_sse._rust import Hub, Link
from jupyter_sse.client import client
from jupyter_sse.error import EncodeError, StreamEndedError, StreamNameError, UnknownStreamError
from stream.history import values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


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
