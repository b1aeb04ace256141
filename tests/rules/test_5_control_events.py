"""Section 4, paragraph 5: what the hub itself says in a stream. The ends of streams are in ``test_5_ends``."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from jupyter_sse import SSEError

if TYPE_CHECKING:
    from rules.site import Site

FOR_ASKING = {"sse.open", "sse.ready", "sse.run", "sse.state", "sse.ping", "sse.time"}
"""What only those hear who ask for it."""

OF_THE_CONNECTION = {"sse.open", "sse.ping"}

TIME_STEP_MS = 16
"""How long a time that was told stands for the events after it."""


def test_types_that_begin_with_sse_are_refused_in_users_events(site: Site, name: str):
    producer = site.open(name)
    with pytest.raises(SSEError, match="sse\\.gap"):
        producer.send("x", event="sse.gap")
    cell = site.kernel.run(f"sse.stream({name!r}).send(1, event='sse.end')")
    assert "EncodeError" in cell.error
    assert "sse.end" in cell.error
    assert site.try_post(name, "event: sse.run\ndata: x\n\n").status_code == 400
    producer.send("x", event="sse")
    assert site.link.flush(20)
    with site.read(f"/{name}") as reader:
        assert reader.events(1)[0].event == "sse"
    assert site.describe(name)["events"] == 1


def test_each_has_its_stream_in_its_data_but_those_of_the_connection(site: Site, name: str):
    producer = site.open(f"{name}/a", history={"events": 2}, ping_interval=0.1)
    site.send(producer, 1, 2, 3)
    cursor = f"{'A' * 11}-1-1"
    with site.read(f"?stream={name}/a@{cursor}&stream={name}/unknown&control=1") as reader:
        reader.control("sse.ping")
        producer.end("done")
        while len(reader.controls("sse.end")) < 2:
            reader.control("sse.end")
        said = [block for block in reader.blocks if block.is_control]
    assert {block.event for block in said} == FOR_ASKING | {"sse.gap", "sse.end"}
    for block in said:
        if block.event in OF_THE_CONNECTION:
            assert "stream" not in block.json
        else:
            assert block.json["stream"] in (f"{name}/a", f"{name}/unknown")


def test_gap_and_end_go_to_everyone_and_the_others_to_those_who_ask(site: Site, name: str):
    producer = site.open(name, history={"events": 2}, ping_interval=0.1)
    site.send(producer, 1, 2, 3)
    with site.read(f"/{name}", "of-nobody") as plain, site.read(f"/{name}?control=1", "of-nobody") as asking:
        asking.control("sse.ping")
        producer.end("done")
        for reader in (plain, asking):
            assert list(reader.all_blocks())
        assert {block.event for block in plain.blocks if block.is_control} == {"sse.gap", "sse.end"}
        assert {block.event for block in asking.blocks if block.is_control} == FOR_ASKING | {"sse.gap", "sse.end"}
        assert [block.json for block in plain.blocks if block.is_event] == [2, 3]
        assert [block.json for block in asking.blocks if block.is_event] == [2, 3]


def test_open_names_the_connection_and_comes_first(site: Site, name: str):
    site.publish(name, 1)
    connections = set()
    for address in (f"/{name}?control=1", f"?stream={name}&control=1"):
        with site.read(address) as reader:
            assert reader.block().retry is not None
            opened = reader.block()
            assert opened.event == "sse.open"
            connections.add(opened.json["connection"])
    assert len(connections) == 2


def test_ready_says_that_the_replay_has_caught_up(site: Site, name: str):
    producer = site.history_of(name, events=100, sent=50)
    with site.read(f"/{name}?control=1") as reader:
        before = [block.json for block in reader.until("sse.ready") if block.is_event]
        assert before == list(range(1, 51))
        assert reader.controls("sse.ready")[0].json["stream"] == name
        site.send(producer, 51)
        reader.values(1)
        assert len(reader.controls("sse.ready")) == 1


def test_run_says_that_a_new_run_began_and_who_produces_it(site: Site, name: str):
    first = site.open(name, "run")
    site.send(first, 1)
    with site.read(f"/{name}?control=1") as reader:
        told = reader.control("sse.run").json
        assert (told["stream"], told["run"]) == (name, 1)
        assert told["producer"]["kernel"] == "rules"
        reader.values(1)
        site.send(site.open(name, "run"), 2)
        assert reader.control("sse.run").json["run"] == 2
        assert reader.values(1) == [2]


def test_state_says_whether_the_producer_is_live_or_lost(site: Site, name: str):
    site.open(name)
    with site.read(f"/{name}?control=1") as reader:
        assert reader.control("sse.state").json["producer"] == "live"
    # Lost: test_5_ends.test_loss_of_a_link_is_said_at_once.


def test_time_tells_when_the_next_event_was_appended(site: Site, name: str):
    before = time.time() * 1000
    site.publish(name, 1)
    after = time.time() * 1000
    with site.read(f"/{name}?control=1") as reader:
        reader.values(1)
        assert [block.event for block in reader.blocks[-2:]] == ["sse.time", None]
        assert before - 1 <= reader.blocks[-2].json["at"] <= after + 1


def test_time_is_told_again_only_when_time_has_passed_since_the_last_told(site: Site, name: str):
    # All at once, as far as the machine is not busy with other things.
    site.publish(name, *range(100))
    time.sleep(0.15)
    site.publish(name, *range(100))
    with site.read(f"/{name}?control=1") as reader:
        reader.values(200)
        told = reader.controls("sse.time")
        times = [block.json["at"] for block in told]
        assert all(later - earlier >= TIME_STEP_MS for earlier, later in pairwise(times))
        assert len(told) < 20
        long_after = next(one for one, before in zip(told[1:], times, strict=False) if one.json["at"] >= before + 150)
        assert reader.blocks[reader.blocks.index(long_after) + 1].json == 0


def test_control_events_of_a_replay_stand_between_its_events(site: Site, name: str):
    """Without them a replay would draw history at one instant: each event has the last time told before it."""
    site.publish(name, 1)
    time.sleep(0.12)
    site.publish(name, 2)
    with site.read(f"/{name}?control=1") as reader:
        reader.until("sse.ready")
        kinds = [json.loads(block.data) if block.is_event else block.event for block in reader.blocks[1:]]
    kept = [kind for kind in kinds if kind in (1, 2, "sse.time", "sse.ready")]
    assert kept == ["sse.time", 1, "sse.time", 2, "sse.ready"]
