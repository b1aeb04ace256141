"""The compiled codec as Python sees it: the shared wire vectors, events, and what is refused with which words."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jupyter_sse
from jupyter_sse._rust import MAX_EVENT_BYTES, MAX_ID_BYTES, Decoder, ServerSentEvent, check_name, encode
from jupyter_sse.error import DecodeError, EncodeError, EventTooLargeError, SSEError, StreamNameError

VECTORS = Path(__file__).parent / "vectors"


def vectors(*names: str) -> list[Any]:
    cases = [case for name in names for case in json.loads((VECTORS / name).read_text("utf-8"))]
    return [pytest.param(case, id=case["name"]) for case in cases]


def decode(chunks: list[bytes]) -> tuple[list[tuple[str, str, str]], Decoder]:
    decoder = Decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return [(event.event, event.data, event.id) for event in events], decoder


def cut(wire: bytes, size: int) -> list[bytes]:
    return [wire[start : start + size] for start in range(0, len(wire), size)]


@pytest.mark.parametrize("case", vectors("wire.json", "decoding.json"))
def test_decoder_reads_vector_in_every_chunking(case: dict[str, Any]) -> None:
    wire = bytes.fromhex(case["bytes_hex"])
    expected = [(event["type"], event["data"], event["lastEventId"]) for event in case["events"]]
    chunkings = [cut(wire, size) for size in (1, 2, 3, len(wire) + 1)]
    chunkings += [[wire[:place], b"", wire[place:]] for place in range(min(len(wire), 300))]
    for chunks in chunkings:
        events, decoder = decode(chunks)
        assert events == expected
        assert decoder.reconnection_time == case["retry"]
        assert decoder.last_event_id == case.get("lastEventId", decoder.last_event_id)


@pytest.mark.parametrize("case", vectors("encoding.json"))
def test_encode_writes_vector(case: dict[str, Any]) -> None:
    assert encode(ServerSentEvent(**case["fields"])) == case["text"].encode()


text = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n: \0"), max_size=12)
one_line = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
CONTROLS = "".join(map(chr, range(32))) + "\x7f"
# What a header carries as it is.
own_id = st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS), max_size=12).map(
    lambda text: text.strip(" ")
)
fields = st.fixed_dictionaries(
    {
        "data": st.none() | text,
        "event": st.none() | one_line.filter(lambda text: not text.startswith("sse.")),
        "id": st.none() | own_id,
        "retry": st.none() | st.integers(0, 2**53),
        "comment": st.none() | text,
    }
)


# How long one example takes says something of the machine only.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(fields, max_size=4), st.integers(1, 7))
def test_encoded_events_come_back_in_every_chunking(events: list[dict[str, Any]], size: int) -> None:
    wire = b"".join(encode(ServerSentEvent(**event)) for event in events)
    expected, last_id, retry = [], "", None
    for event in events:
        last_id = last_id if event["id"] is None else event["id"]
        retry = retry if event["retry"] is None else event["retry"]
        if event["data"] is not None:
            data = event["data"].replace("\r\n", "\n").replace("\r", "\n")
            expected.append((event["event"] or "message", data, last_id))
    for chunks in ([wire], cut(wire, size)):
        decoded, decoder = decode(chunks)
        assert decoded == expected
        assert (decoder.last_event_id, decoder.reconnection_time) == (last_id, retry)


# --- ServerSentEvent ----------------------------------------------------------------------------------------------


def test_event_keeps_its_fields_and_shows_those_that_are_set() -> None:
    event = ServerSentEvent({"a": 1}, event="status", id="x", retry=3000, comment="note")
    assert (event.data, event.event, event.id, event.retry, event.comment) == ({"a": 1}, "status", "x", 3000, "note")
    assert repr(event) == "ServerSentEvent(data={'a': 1}, event='status', id='x', retry=3000, comment='note')"
    assert repr(ServerSentEvent()) == "ServerSentEvent()"


def test_event_cannot_be_changed() -> None:
    event = ServerSentEvent("a")
    with pytest.raises(AttributeError):
        event.data = "b"  # type: ignore[misc]


def test_event_equals_an_event_of_the_same_fields_only() -> None:
    assert ServerSentEvent("a", id=1) == ServerSentEvent("a", id="1")
    assert ServerSentEvent("a") != ServerSentEvent("a", id="1")
    assert ServerSentEvent("a") != ("a", None, None, None, None)
    with pytest.raises(TypeError):
        _ = ServerSentEvent("a") < ServerSentEvent("b")


def test_event_hashes_as_its_data_does() -> None:
    assert len({ServerSentEvent("a"), ServerSentEvent("a"), ServerSentEvent("b")}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(ServerSentEvent([]))


def test_event_matches_by_position() -> None:
    match ServerSentEvent("a", event="b"):
        case ServerSentEvent(data, event):
            assert (data, event) == ("a", "b")


def test_event_survives_pickle_and_copy_even_with_reserved_fields() -> None:
    wire = b"event: sse.end\nid: 0123456789a-end-1\ndata: {}\n\n"
    for event in [*Decoder().feed(wire), ServerSentEvent([1], comment="c")]:
        assert pickle.loads(pickle.dumps(event)) == event
        assert copy.deepcopy(event) == copy.copy(event) == event
    assert ServerSentEvent is jupyter_sse.ServerSentEvent


def test_event_that_its_own_data_leads_back_to_is_collected() -> None:
    class Metrics(dict[str, Any]):
        pass

    metrics = Metrics()
    metrics["last"] = ServerSentEvent(metrics)
    seen = weakref.ref(metrics)
    del metrics
    gc.collect()
    assert seen() is None


def test_event_takes_ints_for_ids_and_what_counts_as_an_int() -> None:
    numpy = pytest.importorskip("numpy")
    assert ServerSentEvent(id=-5).id == "-5"
    assert ServerSentEvent(id=numpy.int64(7), retry=numpy.uint8(9)) == ServerSentEvent(id="7", retry=9)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"event": "a\nb"}, r"event: expected one line of text, got 'a\\nb'; text of several lines belongs into data"),
    ({"event": "a\rb"}, "event: expected one line of text"),
    ({"event": "sse.gap"}, "event: expected a type that does not begin with \"sse.\", got 'sse.gap'; choose another"),
    ({"event": 5}, r"event: expected a str, got 5; convert it with str\(\)"),
    ({"event": "x" * 1025}, "event: expected at most 1024 bytes of UTF-8, got 'x{80}'…; shorten it"),
    ({"event": "\ud800"}, r"event: expected text without lone surrogates, got '\\ud800'; remove them"),
    ({"id": "a\nb"}, "id: expected one line of text"),
    ({"id": "a\0b"}, r"id: expected text without control characters, and .*, got 'a\\x00b'; remove them, readers"),
    ({"id": "é" * 65}, "id: expected at most 128 bytes of UTF-8"),
    ({"id": "0123456789a-end-7"}, "id: expected an id that has not the form of an end id"),
    ({"id": True}, "id: expected a str or an int, got True"),
    ({"id": 1.5}, "id: expected a str or an int, got 1.5"),
    ({"id": 10**5000}, "id: expected at most 128 bytes"),
    ({"retry": -1}, r"retry: expected a whole number of milliseconds from 0 to 2\*\*53, got -1; give seconds as"),
    ({"retry": 2**53 + 1}, "retry: expected a whole number"),
    ({"retry": True}, "retry: expected a whole number of milliseconds .* got True"),
    ({"retry": 1.5}, "retry: expected a whole number .* got 1.5"),
    ({"retry": "3000"}, "retry: expected a whole number .* got '3000'"),
    ({"comment": b"x"}, "comment: expected a str, got b'x'"),
    ({"data": "\udfff"}, r"data: expected text without lone surrogates, got '\\udfff'"),
]


@pytest.mark.parametrize(("refused", "message"), REFUSED)
def test_refused_field_is_named_shown_and_remedied(refused: dict[str, Any], message: str) -> None:
    for make in (ServerSentEvent, lambda **given: encode({"data": "x", **given})):
        with pytest.raises(EncodeError, match=message) as caught:
            make(**refused)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, SSEError)


@pytest.mark.parametrize("data", [b"x", bytearray(b"x"), memoryview(b"x")])
def test_event_refuses_bytes_and_says_how_to_make_text(data: Any) -> None:
    with pytest.raises(
        EncodeError, match=r"data: expected text or a value .* make it text with \.decode\(\) or base64"
    ):
        ServerSentEvent(data)


def test_refused_value_without_a_working_repr_is_still_named() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(EncodeError, match="event: expected a str, got a value without a repr"):
        ServerSentEvent(event=Broken())  # type: ignore[arg-type]


def test_fields_but_data_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        ServerSentEvent("data", "event")  # type: ignore[misc]


def test_too_large_event_is_refused_with_size_and_limit() -> None:
    with pytest.raises(
        EventTooLargeError, match="data: expected an event of at most 100 bytes, got 208 bytes; send it"
    ):
        encode("x" * 200, max_event_bytes=100)
    assert len(encode("x" * 93, max_event_bytes=101)) == 101
    with pytest.raises(EventTooLargeError, match=f"at most {MAX_EVENT_BYTES} bytes"):
        encode("x" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLargeError):
        encode("\n" * (MAX_EVENT_BYTES // 6))
    assert encode({"data": "x", "id": "i" * MAX_ID_BYTES})


# --- Decoder ------------------------------------------------------------------------------------------------------


def test_decoder_takes_every_kind_of_bytes_and_nothing_else() -> None:
    decoder = Decoder()
    wire = b"data: x\n\n"
    for chunk in (wire, bytearray(wire), memoryview(wire), memoryview(b"-" + wire)[1:]):
        assert decoder.feed(chunk) == [ServerSentEvent._restore("x", "message", "", None, None)]
    for chunk in ("data: x\n\n", 5, None):
        with pytest.raises(TypeError, match="bytes-like"):
            decoder.feed(chunk)  # type: ignore[arg-type]


def test_decoder_beyond_its_bound_gives_what_came_before_then_raises_until_reset() -> None:
    decoder = Decoder(max_event_bytes=10)
    wire = b"id: 1\ndata: a\n\ndata: 12345678901\n\ndata: b\n\n"
    assert [event.data for event in decoder.feed(wire)] == ["a"]
    for _ in range(2):
        with pytest.raises(DecodeError, match="at most 10 bytes expected, got a longer one: raise max_event_bytes"):
            decoder.feed(b"data: c\n\n")
    decoder.reset()
    assert [event.data for event in decoder.feed(b"data: d\n\n")] == ["d"]
    assert decoder.last_event_id == "1"


def test_decoder_reset_forgets_the_unfinished_block_and_keeps_the_cursor() -> None:
    decoder = Decoder()
    decoder.feed(b"retry: 5\nid: 1\ndata: a\n\nid: 2\nevent: x\ndata: lost")
    decoder.reset()
    [event] = decoder.feed(b"\xef\xbb\xbfdata: b\n\n")
    assert (event.event, event.data, event.id, decoder.reconnection_time) == ("message", "b", "1", 5)


def test_decoded_events_of_one_type_share_its_text() -> None:
    first, second = Decoder().feed(b"event: status\ndata: 1\n\nevent: status\ndata: 2\n\n")
    assert first.event is second.event


def test_decoded_text_belongs_to_its_event_alone() -> None:
    [event] = Decoder().feed(b"id: an id\ndata: a text that nobody else has\n\n")
    data, event_id = event.data, event.id
    del event
    own_text = "a text made here, as the measure: " + str(len(data))
    assert sys.getrefcount(data) == sys.getrefcount(event_id) == sys.getrefcount(own_text)


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "training/loss", "a.b_c~d-e/0", "...", "x" * 200])
def test_check_name_takes_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "it is empty"),
        ("x" * 201, "it is 201 bytes long, at most 200 are allowed"),
        ("my stream", "' ' at index 2 is not allowed: use letters"),
        ("é", "'é' at index 0 is not allowed"),
        ("a@latest", "'@' at index 1 is not allowed"),
        ("/a", "the segment at index 0 is empty"),
        ("a/", "the segment at index 2 is empty"),
        ("a//b", "the segment at index 2 is empty"),
        ("a/../b", "the segment at index 2 is . or .."),
        (".", "the segment at index 0 is . or .."),
        ("a\ud800", "it has a lone surrogate"),
        (5, "it must be a str"),
        (None, "it must be a str"),
    ],
)
def test_check_name_says_which_rule_is_broken_and_where(name: Any, rule: str) -> None:
    with pytest.raises(StreamNameError) as caught:
        check_name(name)
    assert str(caught.value).startswith("name: expected a stream's name such as 'training/loss', got ")
    assert rule in str(caught.value)
