"""Section 4, paragraph 6: a control event carries an id only where it is a true resume point."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.site import Site

WITH_ID = {"sse.end", "sse.ping"}
"""Whose id is a resume point: of all others it would move the cursor past events that were not read."""


def test_control_event_carries_an_id_only_where_it_is_a_resume_point(site: Site, name: str):
    producer = site.open(name, history={"events": 2}, ping_interval=0.1)
    site.send(producer, 1, 2, 3)
    for address in (f"/{name}?control=1", f"?stream={name}&stream={name}/unknown&control=1"):
        with site.read(address, "of-nobody") as reader:
            reader.control("sse.ping")
            said = {block.event for block in reader.blocks if block.is_control}
            with_id = {block.event for block in reader.blocks if block.is_control and block.id is not None}
        assert said >= {"sse.open", "sse.gap", "sse.run", "sse.state", "sse.time", "sse.ready", "sse.ping"}
        assert with_id <= WITH_ID


def test_end_carries_an_id_on_a_connection_of_one_stream_only(site: Site, name: str):
    site.publish(name, 1)
    site.end(name)
    with site.read(f"/{name}") as single, site.read(f"?stream={name}") as many:
        assert single.control("sse.end").id is not None
        assert many.control("sse.end").id is None


def test_id_of_a_ping_resumes_exactly_what_came_after_it(site: Site, name: str):
    producer = site.open(name, ping_interval=0.1)
    site.send(producer, 1, 2)
    for address in (f"/{name}", f"?stream={name}"):
        with site.read(f"{address}{'&' if '?' in address else '?'}control=1") as reader:
            reader.values(2)
            cursor = reader.control("sse.ping").id
        count = site.describe(name)["events"]
        site.send(producer, count + 1)
        with site.read(address, cursor) as reader:
            assert reader.values(1) == [count + 1]
            assert not reader.controls("sse.gap")
        with site.read(f"/{name}@-2") as reader:
            reader.values(2)
        # The next round reads two again.
        producer = site.open(name, "run", ping_interval=0.1)
        site.send(producer, 1, 2)


def test_ping_while_a_replay_is_not_over_would_carry_no_id(site: Site, name: str):
    """A reader who waits for a stream that is missing has no resume point in it, so that its ping has none."""
    with site.read(f"/{name}?wait=1&control=1") as reader:
        assert reader.block().retry is not None
        assert reader.control("sse.open").id is None
        site.publish(name, 1)
        assert reader.values(1) == [1]
        assert all(block.id is None for block in reader.blocks if block.is_control)
