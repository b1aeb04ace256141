"""Section 4, paragraph 1: positions and own ids."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from jupyter_sse import SSEError
from rules.site import Position

if TYPE_CHECKING:
    from rules.site import Site

LONGEST_ID = "é" * 64
"""128 bytes of UTF-8 in 64 characters."""


def test_every_event_gets_a_position_when_it_is_appended(site: Site, name: str):
    appended = site.publish(name, *range(5))
    with site.read(f"/{name}") as reader:
        assert [Position.parse(block.id) for block in reader.events(5)] == appended


def test_positions_count_seq_over_all_streams_and_n_within_the_stream(site: Site, name: str):
    first, other, second = (*site.publish(f"{name}/a", 1), *site.publish(f"{name}/b", 1), *site.publish(f"{name}/a", 2))
    assert (first.n, other.n, second.n) == (1, 1, 2)
    assert first.seq < other.seq < second.seq
    assert first.epoch == other.epoch == second.epoch


def test_positions_go_on_counting_n_over_the_runs_of_a_stream(site: Site, name: str):
    site.publish(name, 1, 2)
    site.end(name)
    assert [position.n for position in site.publish(name, 3, 4)] == [3, 4]


def test_control_events_take_no_number(site: Site, name: str):
    [before] = site.publish(name, 1)
    with site.read(f"/{name}?control=1", "of-nobody") as reader:
        reader.control("sse.ready")
        assert {block.event for block in reader.blocks if block.is_control} >= {"sse.gap", "sse.run", "sse.state"}
        [after] = site.publish(name, 2)
    assert (after.seq, after.n) == (before.seq + 1, before.n + 1)


def test_id_is_the_producers_own_when_it_gave_one_else_the_position(site: Site, name: str):
    positions = site.post(name, "id: mine\ndata: 1\n\ndata: 2\n\n")
    with site.read(f"/{name}") as reader:
        assert [block.raw for block in reader.events(2)] == [
            b"id: mine\ndata: 1",
            f"id: {positions[1]}\ndata: 2".encode(),
        ]


def test_own_id_that_comes_again_in_a_posted_stream_is_the_events_own(site: Site, name: str):
    """Readers keep the last id for events that have none; who posts says for each event whether it has one."""
    positions = site.post(name, "id: x\ndata: 1\n\ndata: 2\n\nid: x\ndata: 3\n\n")
    with site.read(f"/{name}") as reader:
        assert [block.id for block in reader.events(3)] == ["x", positions[1], "x"]
    with site.read(f"/{name}?ids=position", "x") as reader:
        assert site.publish(name, 4)
        assert reader.values(1) == [4]


def test_ids_position_asks_for_positions_always(site: Site, name: str):
    positions = site.post(name, "id: mine\ndata: 1\n\ndata: 2\n\nid: also-mine\ndata: 3\n\n")
    with site.read(f"/{name}?ids=position") as reader:
        assert [block.id for block in reader.events(3)] == positions


def test_own_id_takes_128_bytes_of_utf8_and_no_more(site: Site, name: str):
    producer = site.open(name)
    producer.send("longest", id=LONGEST_ID)
    with pytest.raises(SSEError, match="id"):
        producer.send("too long", id=f"{LONGEST_ID}x")
    assert site.try_post(f"{name}/posted", f"id: {LONGEST_ID}\ndata: x\n\n").status_code == 201
    assert site.try_post(f"{name}/posted", f"id: {LONGEST_ID}x\ndata: x\n\n").status_code == 400
    assert site.link.flush(20)
    for stream in (name, f"{name}/posted"):
        with site.read(f"/{stream}") as reader:
            assert reader.events(1)[0].id == LONGEST_ID
        assert site.describe(stream)["events"] == 1


UNSENDABLE = ["a\rb", "a\nb", "a\0b", "a\x01b", "\x7f", " a", "a ", "\t"]
"""CR, LF and NUL would break the wire; the others the header in which a reader sends the id back."""


@pytest.mark.parametrize("own", UNSENDABLE)
def test_own_id_with_cr_lf_nul_or_what_no_header_carries_is_refused(site: Site, name: str, own: str):
    producer = site.open(name)
    with pytest.raises(SSEError, match="id") as refused:
        producer.send("refused", id=own)
    assert repr(own) in str(refused.value)
    producer.send("intact", id="ab")
    assert site.link.flush(20)
    with site.read(f"/{name}") as reader:
        assert reader.events(1)[0].raw == b"id: ab\ndata: intact"


def test_own_id_that_is_an_int_becomes_its_text(site: Site, name: str):
    site.kernel.good(f"sse.stream({name!r}).send('x', id=-7); sse.stream({name!r}).flush()")
    posted = {"Content-Type": "application/json"}
    body = json.dumps({"data": "x", "id": 12345678901234567890})
    assert site.server.client.post(f"sse/{name}/posted", content=body, headers=posted).status_code == 201
    with site.read(f"/{name}") as reader:
        assert reader.events(1)[0].id == "-7"
    with site.read(f"/{name}/posted") as reader:
        assert reader.events(1)[0].id == "12345678901234567890"


def test_epoch_is_eleven_characters_and_the_same_for_the_life_of_the_log(site: Site, name: str):
    epochs = {position.epoch for turn in range(3) for position in site.publish(f"{name}/{turn}", turn)}
    assert len(epochs) == 1
    assert re.fullmatch(r"[0-9A-Za-z]{11}", epochs.pop())
