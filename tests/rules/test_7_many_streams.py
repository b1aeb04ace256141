"""Section 4, paragraph 7: many streams over one connection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rules.site import Position

if TYPE_CHECKING:
    from rules.reader import PlainReader
    from rules.site import Site


def bare_id(reader: PlainReader) -> str:
    """Read up to the block that is nothing but an id; return that."""
    for block in reader.all_blocks():
        if block.raw.startswith(b"id: ") and block.data is None:
            assert block.event is None
            return block.id
    raise AssertionError(f"the stream ended without a bare id: {reader.blocks}")


def test_many_streams_come_over_one_connection_each_from_its_own_start(site: Site, name: str):
    site.publish(f"{name}/a", 1, 2)
    site.publish(f"{name}/b", 3, 4)
    with site.read(f"?stream={name}/a&stream={name}/b@latest") as reader:
        bare_id(reader)
        site.publish(f"{name}/b", 5)
        reader.values(1)
        assert [block.json for block in reader.blocks if block.is_event] == [1, 2, 5]


def test_types_are_always_qualified_but_never_those_of_control_events(site: Site, name: str):
    site.post(f"{name}/a", "data: 1\n\nevent: status\ndata: 2\n\nevent: a:b\ndata: 3\n\n")
    site.end(f"{name}/a")
    with site.read(f"?stream={name}/a&control=1") as reader:
        reader.control("sse.end")
        types = [block.event for block in reader.blocks if block.is_event]
        said = [block.event for block in reader.blocks if block.data is not None and not block.is_event]
    assert types == [f"{name}/a:message", f"{name}/a:status", f"{name}/a:a:b"]
    assert set(said) == {"sse.open", "sse.run", "sse.state", "sse.time", "sse.ready", "sse.end"}


def test_ids_are_always_positions(site: Site, name: str):
    site.publish(f"{name}/a", 1)
    with site.read(f"?stream={name}/a") as reader:
        bare_id(reader)
        [position] = site.post(f"{name}/a", "id: mine\ndata: 2\n\n")
        assert reader.events(1)[0].id == position


def test_events_come_in_the_order_of_seq(site: Site, name: str):
    order = [0, 1, 1, 2, 0, 2, 2, 1, 0, 0, 1, 2]
    for number, stream in enumerate(order):
        site.publish(f"{name}/{stream}", [stream, number])
    with site.read(f"?stream={name}/2&stream={name}/0&stream={name}/1") as reader:
        expected = [[stream, number] for number, stream in enumerate(order)]
        assert reader.values(len(order)) == expected
        bare_id(reader)
        producers = [site.open(f"{name}/{stream}") for stream in range(3)]
        for number in range(60):
            producers[order[number % 12]].send(json.dumps(number))
        live = reader.events(60)
    assert [block.json for block in live] == list(range(60))
    places = [Position.parse(block.id).seq for block in live]
    assert places == sorted(places)


def test_events_of_a_replay_carry_no_id_until_a_bare_id_moves_the_cursor(site: Site, name: str):
    site.publish(f"{name}/a", 1, 2)
    site.publish(f"{name}/b", 3)
    with site.read(f"?stream={name}/a&stream={name}/b") as reader:
        cursor = bare_id(reader)
        assert [block.id for block in reader.blocks if block.is_event] == [None] * 3
        [after] = site.publish(f"{name}/a", 4)
        assert reader.events(1)[0].id == str(after)
    assert Position.parse(cursor.removesuffix("-0") + "-1").seq == after.seq - 1


def test_events_of_a_stream_that_was_added_carry_no_id_until_it_has_caught_up(site: Site, name: str):
    site.publish(f"{name}/a", 1)
    site.publish(f"{name}/b", 2, 3)
    with site.read(f"?stream={name}/a&control=1") as reader:
        reader.control("sse.open")
        bare_id(reader)
        site.change(reader, add=[f"{name}/b@earliest"])
        replay = reader.events(2)
        assert [(block.json, block.id) for block in replay] == [(2, None), (3, None)]
        bare_id(reader)
        [after] = site.publish(f"{name}/b", 4)
        assert reader.events(1)[0].id == str(after)


def test_one_position_resumes_all(site: Site, name: str):
    streams = [f"{name}/{letter}" for letter in "abc"]
    address = "?" + "&".join(f"stream={stream}" for stream in streams)
    for stream in streams:
        site.publish(stream, [stream, 0])
    with site.read(address) as reader:
        bare_id(reader)
        for number in (1, 2):
            for stream in streams:
                site.publish(stream, [stream, number])
        cursor = reader.events(4)[-1].id
    for stream in streams:
        site.publish(stream, [stream, 3])
    with site.read(address, cursor) as reader:
        missed = reader.values(5)
        bare_id(reader)
        assert not reader.controls("sse.gap")
    assert missed == [[streams[1], 2], [streams[2], 2], *([stream, 3] for stream in streams)]


def test_bare_id_is_where_a_reader_of_a_replay_resumes(site: Site, name: str):
    site.publish(f"{name}/a", 1)
    site.publish(f"{name}/b", 2)
    with site.read(f"?stream={name}/a&stream={name}/b") as reader:
        cursor = bare_id(reader)
    site.publish(f"{name}/a", 3)
    with site.read(f"?stream={name}/a&stream={name}/b", cursor) as reader:
        assert reader.values(1) == [3]
        assert not reader.controls("sse.gap")


def test_set_changes_while_connected(site: Site, name: str):
    for letter in "abc":
        site.publish(f"{name}/{letter}", letter == "a")
    with site.read(f"?stream={name}/a&stream={name}/b&control=1") as reader:
        reader.events(2)
        site.change(reader, add=[f"{name}/c@earliest"], remove=[f"{name}/a"])
        assert reader.events(1)[0].event == f"{name}/c:message"
        site.publish(f"{name}/a", 1)
        site.publish(f"{name}/b", 2)
        site.publish(f"{name}/c", 3)
        assert reader.values(2) == [2, 3]


def test_stream_that_is_refused_or_ended_is_an_end_without_id_and_the_connection_stays(site: Site, name: str):
    site.publish(f"{name}/ended", 1)
    site.end(f"{name}/ended")
    site.publish(f"{name}/live", 2)
    with site.read(f"?stream={name}/ended&stream={name}/unknown&stream={name}/live") as reader:
        ends = {}
        while len(ends) < 2:
            end = reader.control("sse.end")
            assert end.id is None
            ends[end.json["stream"]] = end.json
        assert ends[f"{name}/unknown"]["status"] == 404
        assert ends[f"{name}/unknown"]["reason"] == "refused"
        assert ends[f"{name}/ended"]["reason"] == "stopped"
        site.publish(f"{name}/live", 3)
        while reader.values(1) != [3]:
            pass


def test_ended_or_unknown_stream_stays_in_the_set_for_a_later_run_or_creation(site: Site, name: str):
    site.publish(f"{name}/ended", 1)
    site.end(f"{name}/ended")
    with site.read(f"?stream={name}/ended@latest&stream={name}/unknown&control=1") as reader:
        reader.control("sse.end")
        reader.control("sse.end")
        site.publish(f"{name}/ended", 2)
        assert reader.control("sse.run").json["run"] == 2
        assert reader.values(1) == [2]
        site.publish(f"{name}/unknown", 3)
        assert reader.control("sse.run").json["stream"] == f"{name}/unknown"
        assert reader.values(1) == [3]


def test_204_exists_for_connections_of_one_stream_only(site: Site, name: str):
    [at] = site.publish(name, 1)
    site.end(name)
    end_id = f"{at.epoch}-end-1"
    with site.read(f"/{name}", end_id) as reader:
        assert reader.status == 204
    for address, cursor in ((f"?stream={name}", end_id), (f"?stream={name}@{end_id}", None)):
        with site.read(address, cursor) as reader:
            assert reader.status == 200
            site.publish(name, 2)
            while reader.values(1) != [2]:
                pass
            site.end(name)
