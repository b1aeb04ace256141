"""Programs of others get each event once and in order, or are told what is missing, and stop at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients.journey import AFTER, AWAY, HISTORY, LIVE, NAME

if TYPE_CHECKING:
    from clients.journey import Journey
    from clients.record import Record

PROGRAMS = ["curl", "httpx-sse", "sseclient-py", "Node's eventsource", "the browser's EventSource"]


@pytest.fixture(params=PROGRAMS)
def record(journey: Journey, request: pytest.FixtureRequest) -> Record:
    """What one program has got."""
    return journey.records[request.param]


def test_each_event_comes_once_and_in_order(record: Record):
    numbers = record.numbers()
    assert numbers == sorted(set(numbers))
    assert set(range(1, LIVE + 1)) <= set(numbers)


def test_cut_connection_costs_nothing(record: Record):
    assert record.connections >= 5
    at = [event.data for event in record.events].index(str(LIVE))
    assert all(event.type == "message" for event in record.events[: at + 1])


def test_what_was_missed_while_away_is_told_to_the_event(record: Record):
    gap = record.told("sse.gap")[0]
    assert (gap["stream"], gap["reason"], gap["requested"]) == (NAME, "evicted", f"own-{LIVE}")
    first_held = AWAY - HISTORY + 1
    assert gap["lost"] == {"from": LIVE + 1, "to": first_held - 1, "count": first_held - 1 - LIVE}
    assert set(range(1, AWAY + 1)) - set(record.numbers()) == set(range(LIVE + 1, first_held))


def test_server_that_is_started_anew_is_another_life_of_the_log(record: Record):
    _, gap = record.told("sse.gap")
    assert gap["reason"] == "epoch"
    assert gap["lost"]["count"] is None
    assert set(range(AWAY + 1, AFTER + 1)) <= set(record.numbers())


def test_gap_stands_before_the_events_after_it(record: Record):
    kinds = [event.type if event.type != "message" else int(event.data) for event in record.events]
    first, second = (at for at, kind in enumerate(kinds) if kind == "sse.gap")
    assert (kinds[first - 1], kinds[first + 1]) == (LIVE, AWAY - HISTORY + 1)
    assert (kinds[second - 1], kinds[second + 1]) == (AWAY, AWAY + 1)


def test_own_ids_and_positions_arrive_as_last_event_ids(record: Record):
    for event in record.events:
        if event.type == "message":
            number = int(event.data)
            assert (event.id == f"own-{number}") == (number % 3 == 0)


@pytest.mark.parametrize("program", [name for name in PROGRAMS if name != "Node's eventsource"])
def test_gap_leaves_the_last_event_id_as_it_was(journey: Journey, program: str):
    """Node's tells the id of the block, where the standard wants the last there was; it resumes from that one too."""
    record = journey.records[program]
    for before, event in zip(record.events, record.events[1:], strict=False):
        if event.type == "sse.gap":
            assert event.id == before.id


def test_end_stops_the_program_by_the_204_for_its_id(record: Record):
    last = record.events[-1]
    assert last.type == "sse.end"
    assert last.id.endswith("-end-1")
    assert record.told("sse.end")[0]["reason"] == "stopped"
    assert record.is_over
    assert record.last_number() == AFTER


def test_programs_took_the_path_that_they_are_said_to_have_taken(journey: Journey):
    counts = journey.server.client.get("api/sse/metrics").json()["http"]
    other = {"handed_over": "portable", "portable": "handed_over"}[journey.path]
    assert counts[journey.path] >= len(PROGRAMS)
    assert counts[other] == 0
