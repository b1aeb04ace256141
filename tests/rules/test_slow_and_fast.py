"""Section 5: slow subscribers, fast producers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rules.link_wire import LinkWire

if TYPE_CHECKING:
    from rules.reader import Block, PlainReader
    from rules.site import Site

TEXT = "x" * 1_000
BURST = 2_000
"""Events of a kilobyte: together much more than history and live window of a stream hold here."""

HISTORY = 50
SMALL_BUFFER = 64 << 10


def flood(site: Site, name: str, first: int = 1, count: int = BURST, history: int = HISTORY) -> None:
    """Send numbered events, each of a kilobyte, as fast as the link takes them."""
    producer = site.open(name, history={"events": history})
    for number in range(first, first + count):
        producer.send(f'[{number}, "{TEXT}"]')
    assert site.link.flush(30)


def flood_until_it_stalls(site: Site, name: str) -> int:
    """Send until a stream's only reader, which does not read, is behind all that is held; return how many were sent."""
    sent = 0
    while sent == 0 or site.describe(name)["largest_backlog"]["events"] <= BURST:
        flood(site, name, sent + 1)
        sent += BURST
    return sent


def read_up_to(reader: PlainReader, last: int) -> tuple[list[int], list[Block]]:
    """Return the numbers of the events up to ``last``, and the gaps among them."""
    numbers, gaps = [], []
    for block in reader.all_blocks():
        if block.event == "sse.gap":
            gaps.append(block)
        elif block.is_event:
            numbers.append(block.json[0])
            if numbers[-1] == last:
                break
    return numbers, gaps


def check_that_all_is_accounted_for(numbers: list[int], gaps: list[Block]) -> None:
    """Received and announced as lost together is all that was sent, in order and nothing twice."""
    announced = [number for gap in gaps for number in range(gap.json["lost"]["from"], gap.json["lost"]["to"] + 1)]
    assert sum(gap.json["lost"]["count"] for gap in gaps) == len(announced)
    assert sorted(numbers + announced) == list(range(1, numbers[-1] + 1))
    assert numbers == sorted(numbers)


def test_subscriber_that_falls_behind_gets_an_overflow_and_goes_on_from_the_oldest_event_held(site: Site, name: str):
    with site.read(f"/{name}?wait=1", receive_bytes=SMALL_BUFFER) as reader:
        sent = flood_until_it_stalls(site, name)
        numbers, gaps = read_up_to(reader, sent)
    assert {gap.json["reason"] for gap in gaps} == {"overflow"}
    for gap in gaps:
        after = reader.blocks[reader.blocks.index(gap) + 1]
        if after.event == "sse.gap":
            # It fell behind again before an event could follow.
            assert after.json["lost"]["from"] == gap.json["lost"]["to"] + 1
            continue
        assert after.json[0] == gap.json["lost"]["to"] + 1
        assert after.id == gap.json["resumed"]
    # Nothing was sent while it read: what follows the last gap is all that was held.
    assert sent - gaps[-1].json["lost"]["to"] > HISTORY
    check_that_all_is_accounted_for(numbers, gaps)


def test_subscriber_that_wants_the_latest_goes_on_from_the_newest(site: Site, name: str):
    with site.read(f"/{name}?wait=1&slow=latest", receive_bytes=SMALL_BUFFER) as reader:
        sent = flood_until_it_stalls(site, name)
        while reader.control("sse.gap").json["lost"]["to"] != sent:
            pass
        flood(site, name, sent + 1, 1)
        assert reader.values(1)[0][0] == sent + 1
    gaps = reader.controls("sse.gap")
    assert {gap.json["reason"] for gap in gaps} == {"overflow"}
    check_that_all_is_accounted_for([block.json[0] for block in reader.blocks if block.is_event], gaps)


def test_what_a_slow_subscriber_misses_is_counted_in_the_metrics(site: Site, name: str):
    before = site.metrics()
    with site.read(f"/{name}?wait=1", receive_bytes=SMALL_BUFFER) as reader:
        sent = flood_until_it_stalls(site, name)
        _, gaps = read_up_to(reader, sent)
    after = site.metrics()
    assert after["overflow_gaps"] - before["overflow_gaps"] == len(gaps)
    lost = sum(gap.json["lost"]["count"] for gap in gaps)
    assert after["overflow_lost"] - before["overflow_lost"] == lost
    assert f"jupyter_sse_overflow_lost_total {float(after['overflow_lost'])}" in site.server.client.get("metrics").text


def test_producer_never_waits_for_a_subscriber_of_a_shared_stream(site: Site, name: str):
    with site.read(f"/{name}?wait=1", receive_bytes=SMALL_BUFFER) as stalled:
        sent = flood_until_it_stalls(site, name)
        with site.read(f"/{name}@-1") as other:
            assert other.values(1)[0][0] == sent
        assert len(stalled.blocks) == 0


def test_reader_that_stalls_changes_nothing_for_the_others(site: Site, name: str):
    burst = 200
    with site.read(f"/{name}?wait=1", receive_bytes=SMALL_BUFFER) as stalled:
        sent = flood_until_it_stalls(site, name)
        with site.read(f"/{name}@latest?control=1") as other:
            other.control("sse.ready")
            for first in range(sent + 1, sent + 10 * burst, burst):
                flood(site, name, first, burst, history=2 * burst)
                assert [value[0] for value in other.values(burst)] == list(range(first, first + burst))
            assert not other.controls("sse.gap")
        assert stalled.control("sse.gap").json["reason"] == "overflow"


def test_short_history_serves_a_connected_reader_of_a_burst_without_a_gap(site: Site, name: str):
    burst = 2_000
    with site.read(f"/{name}?wait=1") as reader:
        producer = site.open(name, history={"events": 10})
        site.send(producer, *range(burst))
        assert reader.values(burst) == list(range(burst))
        assert not reader.controls("sse.gap")
    assert site.describe(name)["history"]["events"] == 10


def test_without_a_server_the_oldest_unsent_are_dropped_and_announced_as_an_overflow(site: Site, name: str):
    with LinkWire(site.server.link_path, is_cut=True) as wire:
        link = site.new_link("cut-off", wire.path, max_unsent_bytes=100_000)
        producer = link.open(name, "send", "{}", 0)
        for number in range(1, 1_001):
            producer.send(f'[{number}, "{TEXT}"]')
        with site.read(f"/{name}?wait=1") as reader:
            wire.mend()
            numbers, gaps = read_up_to(reader, 1_000)
        link.close(1)
    assert [gap.json["reason"] for gap in gaps] == ["overflow"] * len(gaps)
    assert gaps
    assert numbers == list(range(1_001 - len(numbers), 1_001))
    assert sum(gap.json["lost"]["count"] for gap in gaps) == 1_000 - len(numbers)
    assert reader.blocks.index(gaps[0]) < next(at for at, block in enumerate(reader.blocks) if block.is_event)


def test_flush_waits_for_the_receipt_of_the_hub(site: Site, name: str):
    producer = site.open(name)
    for number in range(1, 501):
        producer.send(str(number))
        if number % 50 == 0:
            assert site.link.flush(20)
            assert site.describe(name)["events"] == number


def test_flush_without_a_server_ends_with_its_timeout(site: Site, name: str):
    with LinkWire(site.server.link_path, is_cut=True) as wire:
        link = site.new_link("cut-off", wire.path)
        producer = link.open(name, "send", "{}", 0)
        producer.send("1")
        begun = time.monotonic()
        assert link.flush(0.1) is False
        assert time.monotonic() - begun >= 0.1
        wire.mend()
        assert link.flush(20) is True
        assert site.describe(name)["events"] == 1
        link.close(1)


def test_aflush_waits_for_the_receipt_and_leaves_the_loop_free(site: Site, name: str):
    code = f"""
import asyncio
stream = sse.stream({name!r})
ticks = 0
async def tick():
    global ticks
    while True:
        ticks += 1
        await asyncio.sleep(0)
ticking = asyncio.create_task(tick())
for number in range(1_000):
    stream.send(number)
flushed = await stream.aflush()
ticking.cancel()
"""
    site.kernel.good(code)
    assert site.describe(name)["events"] == 1_000
    assert site.kernel.value("(flushed, ticks > 0)") == (True, True)
