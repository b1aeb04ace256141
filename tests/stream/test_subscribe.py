"""Streams of a process that runs its own hub, read by that process."""

from __future__ import annotations

import asyncio
import threading

import pytest
from running_server import wait_until

import jupyter_sse as sse
from jupyter_sse.error import UnknownStreamError


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
