"""What a saved notebook keeps of a stream."""

from __future__ import annotations

import json
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from jupyter_sse import picture
from jupyter_sse.history import HistoryEvent
from jupyter_sse.options import ViewOptions
from jupyter_sse.snapshot import POINTS, SERIES, Snapshot, take_snapshot
from jupyter_sse.table import LEVELS, flat

HOSTILE = "<script>alert(1)</script>&\"'"


def snapshot_of(values: list[Any], **view: Any) -> Snapshot:
    events = [
        HistoryEvent("message", value if isinstance(value, str) else json.dumps(value), 1_700_000_000_000 + 100 * i)
        for i, value in enumerate(values)
    ]
    found = take_snapshot(events, ViewOptions(**view))
    assert found is not None
    return found


def test_no_events_are_no_snapshot() -> None:
    assert take_snapshot([], ViewOptions()) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0.31, "plot"),
        ({"loss": 0.3, "step": 7}, "plot"),
        ({"a": {"b": 1}}, "plot"),
        ([0.1, 0.7], "plot"),
        ({"n": 3, "total": 10}, "progress"),
        ({"done": 3, "total": 10, "note": "x"}, "progress"),
        ("epoch 3 done", "log"),
        ({"level": "INFO", "msg": "hello"}, "log"),
        ({"level": 20, "message": "hello", "lineno": 3}, "log"),
        ({"order": "a", "customer": "b", "state": "c"}, "table"),
        ([{"pid": 1, "cpu": 3}, {"pid": 2, "cpu": 4}], "table"),
        (True, "value"),
        (None, "value"),
    ],
)
def test_the_kind_is_what_the_last_event_looks_like(value: Any, kind: str) -> None:
    assert snapshot_of([value, value]).kind == kind


def test_the_views_own_kind_wins_where_the_events_fit_it() -> None:
    assert snapshot_of([{"a": 1}], kind="table").kind == "table"
    assert snapshot_of([3], kind="value").kind == "value"
    assert snapshot_of(["text"], kind="plot").kind == "log"


def test_a_table_tells_values_as_the_page_does() -> None:
    snapshot = snapshot_of([{"paid": True, "tags": ["ä", None], "sum": 1.5, "n": 3, "note": None}], kind="table")
    assert snapshot.rows == [["true", '["ä", null]', "1.5", "3", ""]]


def test_progress_of_unknown_length_is_a_count() -> None:
    found = snapshot_of([{"n": 7, "total": None, "rate": 2.5, "elapsed": 3.0, "remaining": None}], kind="progress")
    assert found.as_json() == {"kind": "progress", "n": 7, "total": None}
    assert "7</span>" in picture.draw(found)


def test_a_plot_has_a_line_for_each_number_and_the_step_as_its_axis() -> None:
    found = snapshot_of([{"step": i, "loss": 1 / (i + 1), "lr": None if i == 1 else 0.1} for i in range(3)])
    assert found.x_name == "step"
    assert not found.x_is_time
    assert {one.name: one.y for one in found.series} == {"loss": [1, 0.5, 0.333333], "lr": [0.1, None, 0.1]}
    assert found.series[0].x == [0, 1, 2]


def test_without_a_step_the_axis_is_the_time() -> None:
    found = snapshot_of([1, 2])
    assert found.x_is_time
    assert found.series[0].x == pytest.approx([1_700_000_000_000, 1_700_000_000_100], rel=1e-5)


def test_the_keys_asked_for_are_drawn() -> None:
    found = snapshot_of([{"a": i, "b": 2 * i, "c": 3 * i} for i in range(3)], x="a", y=("c",))
    assert [one.name for one in found.series] == ["c"]
    assert found.series[0].x == [0, 1, 2]


@pytest.mark.parametrize("time", ["2026-01-02T03:04:05+00:00", 1_767_323_045, 1_767_323_045_000, 1_767_323_045_000_000])
def test_times_are_read_in_any_unit(time: Any) -> None:
    found = snapshot_of([{"time": time, "y": 1}] * 2)
    assert found.series[0].x == pytest.approx([1_767_323_045_000] * 2, rel=1e-5)


def test_times_of_a_few_seconds_stay_apart() -> None:
    found = snapshot_of([{"time": 1_767_323_045.25 + i / 8, "y": i} for i in range(3)])
    assert found.x_is_time
    assert found.series[0].x == [1_767_323_045_250, 1_767_323_045_375, 1_767_323_045_500]


def test_seconds_since_a_start_are_no_time_of_day() -> None:
    found = snapshot_of([{"t": i / 1000, "y": i} for i in range(3)])
    assert not found.x_is_time
    assert found.series[0].x == [0, 0.001, 0.002]
    assert ">t</text>" in picture.draw(found)


def test_lists_of_one_length_are_so_many_points() -> None:
    found = snapshot_of(
        [
            {"t": [0.5, 0.75], "voltage": [1, None], "current": [3, 4]},
            {"t": [1], "voltage": [2], "current": [5]},
            {"t": [1.25, None], "voltage": [6, 7], "current": [8, 1e301], "gain": 2},
        ]
    )
    assert found.x_name == "t"
    assert [one.x for one in found.series] == [[0.5, 0.75, 1, 1.25, 1.25]] * 2
    assert {one.name: one.y for one in found.series} == {
        "voltage": [1, None, 2, 6, 7],
        "current": [3, 4, 5, 8, None],
    }


def test_lists_without_an_x_are_drawn_over_the_number_of_the_point() -> None:
    found = snapshot_of([{"v": [1, 2, 3]}, {"v": 4}, "a text", {"v": [5, 6]}])
    assert found.x_name == "point number"
    assert not found.x_is_time
    assert [(one.name, one.x, one.y) for one in found.series] == [("v", [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])]


def test_lists_of_times_are_x_where_they_are_named_so_or_wanted() -> None:
    times = ["2026-01-02T03:04:05+00:00", "2026-01-02T03:04:06+00:00"]
    for name, wanted in (("time", None), ("when", "when")):
        found = snapshot_of([{name: times, "v": [1, 2]}], x=wanted)
        assert found.x_is_time
        assert found.series[0].x == [1_767_323_045_000, 1_767_323_046_000]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"v": [1, 2]}, ["v"]),
        ({"step": [1, 2], "epoch": [0, 0], "v": [1, 2], "note": "x"}, ["v"]),
        ({"t": [1, 2], "v": [1, 2], "gain": 3}, ["v"]),
        ({"loss": 0.3, "weights": [1, 2]}, ["loss"]),
        ({"v": [1, 2], "w": [1]}, None),
        ({"v": [1]}, None),
        ({"v": []}, None),
        ({"v": [None, None]}, None),
        ({"v": [1, "x"]}, None),
        ({"v": [True, False]}, None),
        ({"v": [1, 2], "names": ["a", "b"]}, None),
        ({"t": [1, 2]}, None),
        ({"a": {"v": [1, 2]}}, ["a.v"]),
        ({"a": {"b": {"v": [1, 2]}}}, None),
        ({f"v{n}": [1, 2] for n in range(41)}, None),
        ({"v": [1, 2], "a": "x", "b": "y", "c": "z"}, None),
    ],
)
def test_lists_are_drawn_by_the_rules_of_the_page(value: Any, names: list[str] | None) -> None:
    found = snapshot_of([value] * 2)
    assert [one.name for one in found.series] == (names or [])
    assert (found.kind == "plot") is (names is not None)


def test_thinning_keeps_the_outliers() -> None:
    values = [math.sin(i / 10) for i in range(2_000)]
    values[777] = 50.0
    found = snapshot_of(values)
    assert len(found.series[0].y) <= POINTS
    assert 50.0 in found.series[0].y


def test_a_picture_of_long_events_is_made_of_the_newest() -> None:
    values = [{"v": [i] * 10_000} for i in range(200)]
    (series,) = snapshot_of(values).series
    assert max(series.y) == 199
    assert min(series.y) > 100
    (alone,) = snapshot_of([{"v": [0.1234567891] * 300_000}]).series
    assert len(alone.y) <= POINTS


def test_a_snapshot_is_bounded_whatever_the_events_are() -> None:
    wide = [{f"key {k} {'x' * 100}": i * k + 0.123456789 for k in range(200)} for i in range(2_000)]
    count = range(1_000)
    long = [{"t": [1e9 * i + k / 7 for k in count], **{f"v{n}": list(count) for n in range(3)}} for i in range(99)]
    deep = [{"text": "y" * 100_000, "more": [list(range(1_000))] * 10}] * 100
    for values in (wide, long, deep, ["z" * 1_000_000] * 3, [[{"a": "b" * 10_000}] * 1_000]):
        found = snapshot_of(values)
        assert len(json.dumps(found.as_json())) < 40_000
        assert len(picture.draw(found)) < 60_000
    assert len(snapshot_of(wide, kind="plot").series) == SERIES


@pytest.mark.parametrize("depth", [100, 900, 1_000, 3_000, 100_000])
@pytest.mark.parametrize(("opens", "closes"), [('{"a":', "}"), ("[", "]"), ('[{"a":', "}]")])
def test_an_event_of_any_depth_has_a_snapshot_and_columns(depth: int, opens: str, closes: str) -> None:
    event = HistoryEvent("message", f"{opens * depth}1{closes * depth}", None)
    for kind in (None, "plot", "table", "log", "value", "progress"):
        found = take_snapshot([event], ViewOptions(kind=kind))
        assert len(picture.draw(found)) < 10_000
        assert json.dumps(found.as_json())
    assert all(key.count(".") < LEVELS for key in flat(event.value()))


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        [1],
        [0, 0],
        [1e308, -1e308],
        [1e-300, 2e-300],
        [{"a": None, "b": 1}, {"a": 2}],
        [{"a": [1, None, 1e308], "b": [1, 2, 3]}],
        [{"x": [1e300, -1e300, 1e-300], "b": [1, 2, 3]}],
        [{HOSTILE: [1, 2]}] * 2,
        [{HOSTILE: i} for i in range(3)],
        [HOSTILE] * 3,
        [{HOSTILE: HOSTILE, "a": "b", "c": "d"}] * 3,
        [{"n": 3, "total": 0}],
        [True],
    ],
)
def test_a_picture_is_well_formed_and_holds_no_markup_of_the_events(values: list[Any]) -> None:
    for kind in (None, "plot", "table", "log", "value", "progress", "raw"):
        drawn = picture.draw(snapshot_of(values, kind=kind))
        ElementTree.fromstring(f"<div>{drawn}</div>")
        assert "<script" not in drawn
        assert "nan" not in drawn
        assert "inf" not in drawn
