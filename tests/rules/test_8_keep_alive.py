"""Section 4, paragraph 8: keep-alives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_sse.server.app import SSEApp
from rules.site import Position

if TYPE_CHECKING:
    from rules.site import Site


def test_comment_is_written_after_every_ping_interval_of_silence(site: Site, name: str):
    site.send(site.open(name, ping_interval=0.1), 1)
    with site.read(f"/{name}") as reader:
        reader.values(1)
        assert [reader.block().raw for _ in range(3)] == [b": ping"] * 3


def test_ping_interval_is_15_seconds_by_default(site: Site, name: str):
    assert SSEApp.ping_interval.default_value == 15.0
    site.send(site.open(name), 1)
    with site.read(f"/{name}") as reader:
        reader.values(1)
        assert reader.next_within(0.5) is None


def test_ping_interval_is_set_per_stream(site: Site, name: str):
    site.send(site.open(f"{name}/often", ping_interval=0.1), 1)
    site.send(site.open(f"{name}/rarely", ping_interval=600), 1)
    with site.read(f"/{name}/often") as often, site.read(f"/{name}/rarely") as rarely:
        often.values(1)
        rarely.values(1)
        assert [often.block().comment for _ in range(5)] == ["ping"] * 5
        assert rarely.next_within(0.05) is None


def test_who_asks_for_control_events_gets_an_event_instead_so_that_a_watchdog_sees_it(site: Site, name: str):
    [at] = site.publish(f"{name}/other", 1)
    site.send(site.open(name, ping_interval=0.1), 1)
    with site.read(f"/{name}?control=1") as reader:
        pings = [reader.control("sse.ping") for _ in range(3)]
    assert all(block.comment is None for block in reader.blocks)
    assert all(Position.parse(ping.id).epoch == at.epoch for ping in pings)
    assert pings[0].json["at"] < pings[2].json["at"]


def test_ping_moves_the_cursor_of_a_quiet_stream_on(site: Site, name: str):
    site.send(site.open(name, ping_interval=0.1), 1)
    with site.read(f"/{name}?control=1") as reader:
        reader.values(1)
        [at] = site.publish(f"{name}/noisy", 1)
        while Position.parse(reader.control("sse.ping").id).seq < at.seq:
            pass
        [at] = site.publish(f"{name}/noisy", 2)
        while (cursor := Position.parse(reader.control("sse.ping").id)).seq < at.seq:
            pass
    assert cursor.n == 1
