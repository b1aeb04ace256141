"""What a producer can yield and what it becomes, with the real libraries whose values people yield."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import subprocess
import sys
import types
import uuid
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest

from jupyter_sse import ServerSentEvent
from jupyter_sse._rust import read
from jupyter_sse.encoding import encode, encode_json
from jupyter_sse.error import EncodeError, EventTooLargeError

NAN = float("nan")
UTC = datetime.UTC


class Phase(enum.Enum):
    TRAIN = "train"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: float
    label: Any = None
    _cache: int = 0


class Memory(NamedTuple):
    used: int
    free: int


class Metrics(pydantic.BaseModel):
    loss: float
    at: datetime.datetime
    data: int = 1


class Loss:
    """A value on a device: its item is a scalar, and asking for its size is an error in this test."""

    def item(self) -> float:
        return 0.5

    def __len__(self) -> int:
        raise AssertionError

    def __array__(self, *args: Any) -> Any:
        raise AssertionError


class Tensor:
    """A tensor of several elements: `item` refuses, `__array__` answers."""

    def item(self) -> float:
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray[Any, Any]:
        return np.array([1.0, NAN])


class Grad(Tensor):
    """A tensor that needs its gradient: NumPy is refused, `tolist` answers."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")

    def tolist(self) -> list[float]:
        return [1.0, 2.0]


class Unknown:
    def __repr__(self) -> str:
        return "<Unknown>"


async def numbers() -> AsyncIterator[int]:
    yield 1


# --- which event --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "block"),
    [
        ("a\r\nb", "data: a\ndata: b\n\n"),
        ("", "data: \n\n"),
        ({"loss": 0.5, "step": 1}, 'data: {"loss":0.5,"step":1}\n\n'),
        ({}, "data: {}\n\n"),
        ({"data": "text"}, "data: text\n\n"),
        (
            {"data": {"a": 1}, "event": "e", "id": 7, "retry": 3000, "comment": "c"},
            'event: e\nid: 7\ndata: {"a":1}\nretry: 3000\n: c\n\n',
        ),
        ({"data": None, "event": "e"}, "event: e\ndata: null\n\n"),
        ({"data": 1, "event": None}, "data: 1\n\n"),
        ({"data": 1, "loss": 2}, 'data: {"data":1,"loss":2}\n\n'),
        ({"event": "e", "id": 1}, 'data: {"event":"e","id":1}\n\n'),
        (collections.OrderedDict(data=[1], id="x"), "id: x\ndata: [1]\n\n"),
        ([{"data": 1}], 'data: [{"data":1}]\n\n'),
        (None, "data: null\n\n"),
        (True, "data: true\n\n"),
        (1, "data: 1\n\n"),
        (1.5, "data: 1.5\n\n"),
        (NAN, "data: null\n\n"),
        (ServerSentEvent("a", event="e", id=1, retry=2, comment="c"), "event: e\nid: 1\ndata: a\nretry: 2\n: c\n\n"),
        (ServerSentEvent({"data": 1}), 'data: {"data":1}\n\n'),
        (ServerSentEvent(comment="c"), ": c\n\n"),
    ],
)
def test_a_value_is_the_event_that_it_looks_like(value: Any, block: str) -> None:
    assert encode(value) == block.encode()
    # What is read now and sent later is the same.
    assert encode(read(value)) == block.encode()


def test_a_model_with_a_field_named_data_is_json_and_no_event() -> None:
    model = Metrics(loss=1, at=datetime.datetime(2026, 1, 1, tzinfo=UTC))
    assert json.loads(read(model).data) == {"loss": 1.0, "at": "2026-01-01T00:00:00Z", "data": 1}


# --- values -------------------------------------------------------------------------------------------------------

VALUES: list[tuple[Any, Any]] = [
    (NAN, None),
    ([float("inf"), -float("inf")], [None, None]),
    ((1, 2), [1, 2]),
    (2**63, 2**63),
    (2**64 + 1, 2**64 + 1),
    ([-(2**70)], [-(2**70)]),
    (Phase.TRAIN, "train"),
    (Level.HIGH, 3),
    (Point(1.0, Point(NAN)), {"x": 1.0, "label": {"x": None, "label": None}}),
    (Memory(1, 2), {"used": 1, "free": 2}),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
    (datetime.datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    (datetime.date(2026, 1, 2), "2026-01-02"),
    (datetime.time(3, 4), "03:04:00"),
    (datetime.timedelta(minutes=1.5), 90.0),
    (decimal.Decimal("1.10"), "1.10"),
    (decimal.Decimal("NaN"), None),
    (PurePosixPath("/a/b"), "/a/b"),
    ({3}, [3]),
    (frozenset(), []),
    (range(3), [0, 1, 2]),
    (range(10, 0, -5), [10, 5]),
    (collections.deque([1, 2], maxlen=2), [1, 2]),
    ({"a": 1}.keys(), ["a"]),
    ({"a": 1}.values(), [1]),
    ({"a": 1}.items(), [["a", 1]]),
    (types.MappingProxyType({"a": NAN}), {"a": None}),
    (collections.ChainMap({"a": 1}, {"b": {2}}), {"b": [2], "a": 1}),
    (collections.UserList([1]), [1]),
    (array.array("i", [1, 2]), [1, 2]),
    (Loss(), 0.5),
    (Tensor(), [1.0, None]),
    (Grad(), [1.0, 2.0]),
    # keys
    ({1: "a", None: "b", False: "c", 2.5: "d"}, {"1": "a", "null": "b", "false": "c", "2.5": "d"}),
    ({np.int64(1): 2, np.str_("x"): 3}, {"1": 2, "x": 3}),
    ({Phase.TRAIN: 1, datetime.date(2026, 1, 2): 2}, {"train": 1, "2026-01-02": 2}),
    ({pd.Timestamp("2026-01-02"): {2**64: 1}}, {"2026-01-02T00:00:00": {"18446744073709551616": 1}}),
    # NumPy
    (np.float32(1.5), 1.5),
    (np.float64(NAN), None),
    (np.longdouble(1.5), 1.5),
    (np.int8(-1), -1),
    (np.bool_(True), True),
    (np.str_("a"), "a"),
    (np.datetime64("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
    (np.datetime64("NaT"), None),
    ([np.datetime64("NaT", unit) for unit in ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps")], [None] * 11),
    (np.array(["NaT", "2026-01-02"], dtype="M8[D]"), [None, "2026-01-02T00:00:00"]),
    (np.datetime64("1970-01-01"), "1970-01-01T00:00:00"),
    (np.timedelta64(1500, "ms"), 1.5),
    (np.timedelta64("NaT"), None),
    (np.array([1.0, NAN]), [1.0, None]),
    (np.array(5), 5),
    (np.array([["a", "b"]]), [["a", "b"]]),
    (np.array(["a"]), ["a"]),
    (np.array([1, "a", None], dtype=object), [1, "a", None]),
    (np.arange(6).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
    (np.arange(6.0)[::2], [0.0, 2.0, 4.0]),
    (np.array([1, 2], dtype=">f8"), [1.0, 2.0]),
    (np.array(["2026-01-02", "NaT"], dtype="M8[ns]"), ["2026-01-02T00:00:00", None]),
    (np.array([1500, "NaT"], dtype="m8[ms]"), [1.5, None]),
    (np.ma.masked_array([1, 2], mask=[False, True]), [1, None]),
    ({"a": np.float32(0.5), "b": [np.int64(1)]}, {"a": 0.5, "b": [1]}),
    # pandas
    (pd.NaT, None),
    (pd.NA, None),
    (pd.Timestamp("2026-01-02 03:04"), "2026-01-02T03:04:00"),
    (pd.Timestamp("2026-01-02", tz="Europe/Berlin"), "2026-01-02T00:00:00+01:00"),
    (pd.Timedelta("1.5s"), 1.5),
    (pd.Period("2026-01"), "2026-01"),
    (pd.Series([1.0, NAN]), [1.0, None]),
    (pd.Series(["a", None]), ["a", None]),
    (pd.Series([1, None], dtype="Int64"), [1, None]),
    (pd.Series(pd.to_datetime(["2026-01-02", None])), ["2026-01-02T00:00:00", None]),
    (pd.Series({"loss": 0.5, "step": 1}), {"loss": 0.5, "step": 1.0}),
    (pd.Index(["a", "b"]), ["a", "b"]),
    (pd.array([1, None]), [1, None]),
    (pd.Categorical(["a", "b"]), ["a", "b"]),
    (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
    (pd.DataFrame({"a": [1]}, index=["r"]), [{"index": "r", "a": 1}]),
    (pd.DataFrame({"a": [1]}, index=pd.Index(["r"], name="row")), [{"row": "r", "a": 1}]),
    (pd.DataFrame({("a", "min"): [1], ("a", "max"): [2]}), [{"a.min": 1, "a.max": 2}]),
    (pd.DataFrame({0: [pd.NaT], 1: [pd.Timestamp("2026-01-02")]}), [{"0": None, "1": "2026-01-02T00:00:00"}]),
    (pd.DataFrame({"a": [1]}).iloc[:0], []),
    # polars
    (pl.Series([1, None]), [1, None]),
    (pl.Series([1.5]), [1.5]),
    (
        pl.DataFrame({"a": [1, 2], "t": [datetime.timedelta(seconds=1), None], "d": [datetime.date(2026, 1, 2)] * 2}),
        [{"a": 1, "t": 1.0, "d": "2026-01-02"}, {"a": 2, "t": None, "d": "2026-01-02"}],
    ),
    # pydantic
    (
        [Metrics(loss=NAN, at=datetime.datetime(2026, 1, 1))],
        [{"loss": None, "at": "2026-01-01T00:00:00", "data": 1}],
    ),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda value: type(value).__name__)
def test_value_becomes_json(value: Any, expected: Any) -> None:
    for place in (lambda value: value, lambda value: {"a": [value]}, lambda value: {1: {"a": value}, "big": 2**64}):
        encoded = encode_json(place(value))
        assert b"\n" not in encoded
        assert json.loads(encoded) == json.loads(json.dumps(place(expected)))


def test_every_size_of_item_is_left_to_the_library() -> None:
    assert encode_json({"loss": Loss()}) == b'{"loss":0.5}'


# --- what is refused ----------------------------------------------------------------------------------------------

REFUSED: list[tuple[Any, str]] = [
    (b"abc", r"data: expected text or a value that JSON knows, got b'abc'; make it text with \.decode\(\) or base64"),
    (bytearray(b"abc"), r"data: expected text .* got bytearray\(b'abc'\); make it text"),
    (memoryview(b"abc"), r"data: expected text .* got <memory at .*; make it text"),
    ({"a": {"b": [1, b"x"]}}, r"data\['a'\]\['b'\]\[1\]: expected text or a value that JSON knows, got b'x'; make it"),
    ({"data": b"x"}, r"data: expected text .* got b'x'"),
    (Unknown(), r"data: expected a value that JSON knows, got <Unknown>; convert it, for instance with float\(\)"),
    ({"a": [Point(1, Unknown())]}, r"data\['a'\]\[0\]\.label: expected a value that JSON knows, got <Unknown>"),
    (pd.Series([1, Unknown()]), r"data\[1\]: expected a value that JSON knows, got <Unknown>"),
    ({"f": len}, r"data\['f'\]: expected a value that JSON knows, got <built-in function len>"),
    ({"t": Point}, r"data\['t'\]: expected a value that JSON knows, got <class '.*Point'>"),
    ({"t": np.ndarray}, r"data\['t'\]: expected a value that JSON knows, got <class 'numpy.ndarray'>"),
    (1j, r"data: expected a value that JSON knows, got 1j"),
    (np.array([1j]), r"data\[0\]: expected a value that JSON knows, got 1j"),
    (np.complex64(1), r"data: expected a value that JSON knows, got \(1\+0j\)"),
    (
        (item for item in [1]),
        "data: expected .* got <generator object .*; for one event make it a list, .*`yield from …`",
    ),
    ({"a": map(str, [1])}, r"data\['a'\]: expected .* got <map object .*; for one event make it a list"),
    (numbers(), "data: expected .* got <async_generator object .*`async for item in …: yield item`"),
    (range(10**30), r"data: expected .* got range\(0, 10+\); an event has room for 524288 items at most"),
    (pl.LazyFrame({"a": [1]}), "data: expected a value that JSON knows, got <LazyFrame at"),
    ({(1, 2): 3}, r"data: expected keys that are text, numbers or dates, got \(1, 2\); convert it with str\(\)"),
    ({"a": {b"k": 3}}, r"data\['a'\]: expected keys that are text, numbers or dates, got b'k'"),
    ({"a": {Unknown(): 3}}, r"data\['a'\]: expected keys that are text, numbers or dates, got <Unknown>"),
    ({"a": "x\ud800"}, r"data\['a'\]: expected text without lone surrogates, got 'x\\ud800'; remove them with"),
    ({"\ud800": 1}, r"a key of data: expected text without lone surrogates, got '\\ud800'"),
    ({"a": "y" * 200 + "\ud800"}, r"data\['a'\]: expected text without lone surrogates, got 'y{79}…; remove them"),
    (10**5000, r"data: expected an int that Python writes out, got one of 16610 bits; send hex\(value\)"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=lambda value: type(value).__name__)
def test_refused_value_is_named_with_its_path_shown_and_remedied(value: Any, message: str) -> None:
    with pytest.raises(EncodeError, match=message):
        encode(value)


def test_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(EncodeError, match="at most 250 levels of nesting, got more; a value must not contain itself"):
        encode({"a": loop})


def test_value_that_stands_for_itself_is_refused() -> None:
    class Loop:
        def tolist(self) -> Any:
            return self

    with pytest.raises(EncodeError, match="levels of nesting"):
        encode(Loop())


def test_error_while_a_value_is_read_is_told_and_chained() -> None:
    class Failing:
        def tolist(self) -> Any:
            raise OSError("the device is gone")

    with pytest.raises(EncodeError, match=r"data\['a'\]: .* reading it raised OSError: the device is gone") as caught:
        encode({"a": Failing()})
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupt_while_a_value_is_read_goes_on(interrupt: type[BaseException]) -> None:
    class Interrupted:
        def item(self) -> Any:
            raise interrupt

    with pytest.raises(interrupt):
        encode({"a": Interrupted()})


def test_refused_fields_of_a_dict_are_named_when_it_is_encoded() -> None:
    for value, field in [({"data": 1, "retry": True}, "retry"), ({"data": 1, "id": "a\n"}, "id")]:
        with pytest.raises(EncodeError, match=f"{field}: expected"):
            encode(value)


def test_too_large_value_is_refused_with_size_and_limit() -> None:
    with pytest.raises(EventTooLargeError, match="at most 50 bytes, got 110 bytes"):
        encode(["x" * 98], max_event_bytes=50)


def test_encoding_imports_no_library_to_look_for_its_values() -> None:
    script = """
import decimal, sys
from jupyter_sse.encoding import encode
from jupyter_sse.error import EncodeError
assert encode({"a": decimal.Decimal(1), "b": {1}}) == b'data: {"a":"1","b":[1]}\\n\\n'
try:
    encode({"a": object()})
except EncodeError:
    print([name for name in ("numpy", "pandas", "polars", "pydantic") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_library_whose_import_was_blocked_does_no_harm() -> None:
    script = """
import sys
sys.modules["numpy"] = None
from jupyter_sse.encoding import encode
print(encode({"a": {1}, "b": 2**64}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == """b'data: {"a":[1],"b":18446744073709551616}\\n\\n'\n"""


def test_numpy_is_noticed_when_it_is_imported_after_the_first_event() -> None:
    script = """
import sys
from jupyter_sse.encoding import encode
print(encode({"loss": 0.5}), "numpy" in sys.modules)
import numpy
# By its own way this float of 32 bits would be 0.10000000149011612.
print(encode({"loss": numpy.float32(0.1)}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == """b'data: {"loss":0.5}\\n\\n' False\nb'data: {"loss":0.1}\\n\\n'\n"""


@pytest.mark.parametrize("replacement", ["lambda *args: dumps(*args)", "functools.partial(dumps)"])
def test_orjson_need_not_be_a_function_of_c(replacement: str) -> None:
    script = f"""
import functools, orjson
dumps = orjson.dumps
orjson.dumps = {replacement}
from jupyter_sse.encoding import encode
print(encode({{"a": {{1}}}}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == """b'data: {"a":[1]}\\n\\n'\n"""
