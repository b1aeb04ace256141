"""Section 4, paragraph 3: gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.conftest import MAX_HISTORY_BYTES
from rules.site import Position

if TYPE_CHECKING:
    from rules.reader import Block
    from rules.site import Site


def gap_at(site: Site, name: str, cursor: object) -> tuple[dict, Block]:
    """Return what the gap says that a returning reader is told before all else, and the event after it."""
    with site.read(f"/{name}", str(cursor)) as reader:
        first, gap, event = reader.block(), reader.block(), reader.block()
    assert first.retry is not None
    assert gap.event == "sse.gap"
    return gap.json, event


def test_gap_is_announced_in_the_stream_before_the_replay(site: Site, name: str):
    site.history_of(name, events=3, sent=10)
    with site.read(f"/{name}", "of-nobody") as reader:
        assert reader.status == 200
        reader.events(3)
        kinds = [block.event or block.json for block in reader.blocks[1:]]
    assert kinds == ["sse.gap", 8, 9, 10]


def test_gap_tells_stream_reason_what_was_requested_where_it_resumes_and_what_is_lost(site: Site, name: str):
    site.history_of(name, events=3, sent=10)
    held = site.positions(name)
    cursor = Position(held[0].epoch, held[0].seq - 5, 3)
    gap, event = gap_at(site, name, cursor)
    assert gap == {
        "stream": name,
        "reason": "evicted",
        "requested": str(cursor),
        "resumed": str(held[0]),
        "lost": {"from": 4, "to": 7, "count": 4},
    }
    assert event.id == gap["resumed"]


def test_gap_is_evicted_where_the_events_are_no_longer_held(site: Site, name: str):
    old = site.publish(name, 1, 2)
    producer = site.open(name, history={"events": 2})
    site.send(producer, 3, 4, 5)
    gap, event = gap_at(site, name, old[0])
    assert gap["reason"] == "evicted"
    assert gap["lost"] == {"from": 2, "to": 3, "count": 2}
    assert event.json == 4


def test_gap_is_epoch_where_the_cursor_comes_from_another_life_of_the_log(site: Site, name: str):
    [at] = site.publish(name, 1)
    other = Position("A" * 11 if at.epoch != "A" * 11 else "B" * 11, at.seq, at.n)
    gap, event = gap_at(site, name, other)
    assert gap["reason"] == "epoch"
    assert gap["lost"]["count"] is None
    assert event.json == 1


def test_gap_is_ahead_where_the_cursor_lies_after_the_newest_event(site: Site, name: str):
    [at] = site.publish(name, 1)
    gap, event = gap_at(site, name, Position(at.epoch, at.seq + 1_000_000, 2))
    assert gap["reason"] == "ahead"
    assert gap["lost"]["count"] is None
    assert event.json == 1


def test_gap_is_unknown_id_where_nothing_is_known_of_the_cursor(site: Site, name: str):
    site.publish(name, 1)
    gap, event = gap_at(site, name, "never-given")
    assert gap["reason"] == "unknown-id"
    assert gap["requested"] == "never-given"
    assert gap["lost"]["count"] is None
    assert event.json == 1


def test_reader_who_misses_nothing_is_told_of_no_gap(site: Site, name: str):
    producer = site.history_of(name, events=3, sent=10)
    held = site.positions(name)
    just_evicted = Position(held[0].epoch, held[0].seq - 1, 7)
    for cursor, left in ((just_evicted, [8, 9, 10]), (held[0], [9, 10]), (held[2], [])):
        with site.read(f"/{name}", cursor) as reader:
            assert reader.values(len(left)) == left
            assert not reader.controls("sse.gap")
    with site.read(f"/{name}", held[2]) as reader:
        site.send(producer, 11)
        assert reader.values(1) == [11]
        assert not reader.controls("sse.gap")


@pytest.mark.parametrize("last_seen", [1, 5, 14])
def test_count_is_exact_for_the_stream_that_the_cursor_came_from(site: Site, name: str, last_seen: int):
    positions = twenty_events_beside_others(site, name)
    gap, event = gap_at(site, name, positions[last_seen - 1])
    assert gap["lost"] == {"from": last_seen + 1, "to": 15, "count": 15 - last_seen}
    assert event.json == 16
    other = f"{name}/other"
    with site.read(f"?stream={name}@{positions[last_seen - 1]}&stream={other}") as reader:
        [gap] = [reader.control("sse.gap")]
    assert (gap.json["stream"], gap.json["lost"]["count"]) == (name, 15 - last_seen)


def twenty_events_beside_others(site: Site, name: str) -> list[Position]:
    """Send 1 to 20 to a stream that keeps five, and as much to another; return the positions."""
    producer = site.open(name, history={"events": 5})
    positions: list[Position] = []
    for start in (1, 6, 11, 16):
        for n in range(start, start + 5):
            site.send(producer, n)
            site.publish(f"{name}/other", n)
        positions += site.positions(name)
    return positions


def test_count_is_exact_after_an_own_id_whose_event_is_gone(site: Site, name: str):
    producer = site.open(name, history={"events": 5})
    for n in range(1, 21):
        producer.send(str(n), id=f"own-{n}")
    assert site.link.flush(20)
    gap, event = gap_at(site, name, "own-7")
    assert gap["reason"] == "evicted"
    assert gap["lost"] == {"from": 8, "to": 15, "count": 8}
    assert event.id == "own-16"


def test_count_of_streams_that_share_a_cursor_is_exact_or_null(site: Site, name: str):
    quiet = site.open(f"{name}/quiet", history={"events": 5})
    noisy = site.open(f"{name}/noisy", history={"events": 5})
    site.send(quiet, 1)
    site.send(noisy, *range(1, 4))
    cursor = site.positions(f"{name}/noisy")[-1]
    site.send(quiet, 2)
    site.send(noisy, *range(4, 21))
    with site.read(f"?stream={name}/quiet&stream={name}/noisy", cursor) as reader:
        assert reader.values(6) == [2, 16, 17, 18, 19, 20]
        [gap] = reader.controls("sse.gap")
    assert gap.json["stream"] == f"{name}/noisy"
    assert gap.json["reason"] == "evicted"
    assert gap.json["lost"]["count"] in (None, 12)


def test_reader_resumes_after_a_gap_from_the_oldest_event_held(site: Site, name: str):
    site.history_of(name, events=5, sent=20)
    oldest = site.positions(name)[0]
    other_life = Position("Z" * 11, 5, 5)
    ahead = Position(oldest.epoch, 10**15, 10**15)
    evicted = Position(oldest.epoch, oldest.seq - 8, 8)
    for cursor in ("of-nobody", other_life, ahead, evicted):
        gap, event = gap_at(site, name, cursor)
        assert event.id == gap["resumed"] == str(oldest)


def test_rerun_evicts_the_old_run_and_who_returns_from_it_gets_the_exact_count(site: Site, name: str):
    first = site.open(name, "run")
    site.send(first, *range(1, 11))
    seen = site.positions(name)[3]
    second = site.open(name, "run")
    site.send(second, "a", "b")
    gap, event = gap_at(site, name, seen)
    assert gap["reason"] == "evicted"
    assert gap["lost"] == {"from": 5, "to": 10, "count": 6}
    assert event.json == "a"


def test_quiet_stream_has_no_gap_because_a_noisy_one_was_trimmed(site: Site, name: str):
    quiet, noisy = f"{name}/quiet", f"{name}/noisy"
    [at] = site.publish(quiet, 1)
    site.history_of(noisy, events=5, sent=1_000)
    site.publish(quiet, 2)
    with site.read(f"/{quiet}", at) as reader:
        assert reader.values(1) == [2]
        assert not reader.controls("sse.gap")
    with site.read(f"?stream={quiet}&stream={noisy}", at) as reader:
        reader.events(6)
        assert [gap.json["stream"] for gap in reader.controls("sse.gap")] == [noisy]


def test_noisy_stream_never_evicts_a_quiet_one(site: Site, name: str):
    quiet, noisy = f"{name}/quiet", f"{name}/noisy"
    site.publish(quiet, *range(50))
    producer = site.open(noisy, history={"events": 1_000_000, "bytes": 1 << 30})
    text = "x" * 10_000
    site.send(producer, *[text] * (2 * MAX_HISTORY_BYTES // len(text)))
    assert site.describe(noisy)["history"]["events"] < 2 * MAX_HISTORY_BYTES // len(text)
    with site.read(f"/{quiet}") as reader:
        assert reader.values(50) == list(range(50))
    site.end(noisy)
    assert site.link.next_command(20) is not None
    producer.end("done")
