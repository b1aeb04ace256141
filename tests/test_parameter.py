"""What a per-subscriber function is called with: conversion of the path's parameters, the request, its headers."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from typing import Annotated, Any, Literal, NewType

import pytest

from jupyter_sse.arguments import Arguments
from jupyter_sse.error import HTTPError, StreamNameError
from jupyter_sse.parameter import Parameter, converter
from jupyter_sse.pattern import family, matches, parameter_names
from jupyter_sse.request import Request


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


UserId = NewType("UserId", int)
SOME_ID = "12345678-1234-5678-1234-567812345678"

GOOD = [
    (str, "Zoë", "Zoë"),
    (Any, "x", "x"),
    (int, "42", 42),
    (int, "-7", -7),
    (UserId, "42", 42),
    (Annotated[int, "an id"], "42", 42),
    (float, "1.5e3", 1500.0),
    (float, "7", 7.0),
    (bool, "true", True),
    (bool, "False", False),
    (bool, "0", False),
    (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
    (uuid.UUID, SOME_ID, uuid.UUID(SOME_ID)),
    (Colour, "red", Colour.RED),
    (Level, "2", Level.HIGH),
    (Literal["up", 3, True], "3", 3),
    (Literal["up", 3, True], "true", True),
    (int | str, "42", 42),
    (int | str, "x", "x"),
    (int | None, "42", 42),
    (datetime.datetime, "2026-05-01T12:30:00+00:00", datetime.datetime(2026, 5, 1, 12, 30, tzinfo=datetime.UTC)),
    (datetime.date, "2026-05-01", datetime.date(2026, 5, 1)),
    (pathlib.PurePosixPath, "a/b.txt", pathlib.PurePosixPath("a/b.txt")),
]

BAD = [
    (int, "abc", "an integer"),
    (int, "", "an integer"),
    (int, "1_0", "an integer"),
    (int, " 1", "an integer"),
    (int, "٣", "an integer"),
    (int, "1.0", "an integer"),
    (float, "nan", "a number"),
    (float, "inf", "a number"),
    (float, "1e999", "a number"),
    (bool, "yes", "true or false"),
    (decimal.Decimal, "NaN", "a number"),
    (uuid.UUID, "1234", "a UUID"),
    (Colour, "RED", "one of red, blue"),
    (Level, "3", "one of 1, 2"),
    (Literal["up", "down"], "left", "one of up, down"),
    (int | bool, "x", "an integer or true or false"),
    (datetime.date, "May", "a date such as 2026-05-01"),
    (pathlib.PurePosixPath, "../secret", "a relative path without .."),
    (pathlib.PurePosixPath, "/etc/passwd", "a relative path without .."),
]


class TestConversion:
    @pytest.mark.parametrize(("annotation", "text", "value"), GOOD)
    def test_a_parameter_is_converted_by_its_annotation(self, annotation: Any, text: str, value: object):
        converted = converter(annotation).convert(text)
        assert converted == value
        assert type(converted) is type(value)

    @pytest.mark.parametrize(("annotation", "text", "expected"), BAD)
    def test_a_wrong_value_is_a_400_that_says_what_was_expected(self, annotation: Any, text: str, expected: str):
        with pytest.raises(HTTPError) as caught:
            Parameter("key", converter(annotation)).read(text)
        assert caught.value.status == 400
        assert caught.value.message == f"key: expected {expected}, got {text!r}"

    def test_a_long_wrong_value_is_shortened(self):
        with pytest.raises(HTTPError) as caught:
            Parameter("key", converter(int)).read("x" * 5000)
        assert len(caught.value.message) < 120

    def test_an_integer_too_long_for_python_is_a_400(self):
        with pytest.raises(HTTPError):
            Parameter("key", converter(int)).read("9" * 5000)

    @pytest.mark.parametrize("annotation", [dict, list[int], type("Own", (), {})])
    def test_an_annotation_that_no_text_can_be_read_as_is_refused_with_a_list_of_those_that_can(self, annotation: Any):
        with pytest.raises(TypeError, match="expected one of str, int, float, bool, .*Enum, a Literal"):
            converter(annotation)


class TestPattern:
    def test_segments_stand_for_themselves_or_for_a_parameter(self):
        assert parameter_names("users/{user_id}/inbox/{box}") == ("user_id", "box")
        assert parameter_names("news") == ()

    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            ("users/{}", "the name of a parameter"),
            ("users/{1}", "the name of a parameter"),
            ("users/{class}", "the name of a parameter"),
            ("users/u{id}", "a whole segment"),
            ("{a}/{a}", "'a' twice"),
            ("users//{a}", "name:"),
            ("../{a}", "name:"),
            ("a b/{a}", "name:"),
            ("{a}/" + "x" * 200, "at most 200 bytes|name:"),
        ],
    )
    def test_what_is_no_pattern_is_refused_with_the_rule_that_it_breaks(self, pattern: str, words: str):
        with pytest.raises(StreamNameError, match=words):
            parameter_names(pattern)

    def test_patterns_of_the_same_addresses_are_one_family(self):
        assert family("users/{a}/x") == family("users/{b}/x") != family("users/a/x")

    def test_a_pattern_has_the_addresses_that_differ_in_its_parameters_alone(self):
        found = ["users/42/x", "users/ada/x", "users/42", "users/42/y", "users/4/2/x"]
        assert [name for name in found if matches("users/{a}/x", name)] == found[:2]


def request(**fields: Any) -> Request:
    return Request.from_json(json.dumps({"path": "users/42", "path_params": {"user_id": "42"}, **fields}))


class TestArguments:
    def test_path_parameters_and_request_are_passed_by_name(self):
        def users(request, user_id: int, limit: int = 10):
            yield request, user_id, limit

        arguments = Arguments(users, ("user_id",))
        asked = request()
        assert list(arguments.call(arguments.read(asked))) == [(asked, 42, 10)]

    def test_annotations_are_evaluated_where_the_function_stands(self):
        names: dict[str, Any] = {}
        code = (
            "from __future__ import annotations\n"
            "def make():\n"
            "    class Mood(Enum):\n        GOOD = 'good'\n"
            "    def users(user_id: Mood):\n        yield user_id is Mood.GOOD\n"
            "    return users\n"
            "def unknown(user_id: Nowhere):\n    yield"
        )
        exec(code, names | {"Enum": enum.Enum}, names)
        names["make"].__globals__.update(names)
        arguments = Arguments(names["make"](), ("user_id",))
        asked = Request("users/good", {"user_id": "good"})
        assert list(arguments.call(arguments.read(asked))) == [True]
        with pytest.raises(TypeError, match="user_id: expected an annotation that can be evaluated, got 'Nowhere'"):
            Arguments(names["unknown"], ("user_id",))

    def test_a_function_that_takes_no_request_gets_none(self):
        def users(user_id):
            yield user_id

        assert list(Arguments(users, ("user_id",)).call({"user_id": "42"})) == ["42"]

    def test_a_request_alone_will_do(self):
        def users(request):
            yield request.path_params["user_id"]

        arguments = Arguments(users, ("user_id",))
        assert list(arguments.call(arguments.read(request()))) == ["42"]

    def test_a_path_parameter_that_the_function_does_not_take_is_an_error(self):
        def users(uid: int):
            yield uid

        with pytest.raises(TypeError, match="expected a parameter 'user_id' of .*users, as the path has one"):
            Arguments(users, ("user_id",))

    def test_what_is_neither_in_the_path_nor_given_is_missing(self):
        def users(database, user_id: int):
            yield database, user_id

        assert Arguments(users, ("user_id",)).missing == ["database"]
        given = Arguments(users, ("user_id",), ("db",))
        assert given.missing == []
        assert list(given.call(given.read(request()))) == [("db", 42)]

    def test_an_argument_that_the_function_does_not_take_is_an_error(self):
        def users(user_id: int):
            yield user_id

        with pytest.raises(TypeError, match="unexpected keyword argument"):
            Arguments(users, ("user_id",), (), {"database": 1})

    def test_a_method_has_its_object(self):
        class App:
            def users(self, user_id: int):
                yield self, user_id

        app = App()
        assert Arguments(App.users, ("user_id",)).missing == ["self"]
        bound = Arguments(app.users, ("user_id",))
        assert list(bound.call(bound.read(request()))) == [(app, 42)]

    @pytest.mark.parametrize(
        ("background", "taken"),
        [
            (lambda: None, {}),
            (lambda user_id: user_id, {"user_id": 42}),
            (lambda user_id, other=1: (user_id, other), {"user_id": 42}),
            ([].clear, {}),
        ],
    )
    def test_background_takes_those_of_the_arguments_that_it_names(self, background: Any, taken: dict[str, Any]):
        def users(user_id: int, request):
            yield user_id

        arguments = Arguments(users, ("user_id",))
        arguments.check_background(background)
        asked = request()
        assert arguments.of_background(background, arguments.read(asked), asked) == taken

    def test_background_that_takes_everything_gets_everything(self):
        def users(database, user_id: int, request):
            yield user_id

        asked = request()
        arguments = Arguments(users, ("user_id",), ("db",))
        found = arguments.of_background(lambda **everything: everything, arguments.read(asked), asked)
        assert found == {"database": "db", "user_id": 42, "request": asked}

    def test_background_gets_the_request_also_where_the_generator_takes_none(self):
        def users(user_id: int):
            yield user_id

        arguments, asked = Arguments(users, ("user_id",)), request()
        found = arguments.of_background(lambda request: request, arguments.read(asked), asked)
        assert found == {"request": asked}

    def test_background_that_needs_more_is_an_error_when_it_is_decorated(self):
        def users(user_id: int):
            yield user_id

        with pytest.raises(TypeError, match="background: expected a function of some of .*user_id.*needs 'database'"):
            Arguments(users, ("user_id",)).check_background(lambda database: database)


class TestRequest:
    def test_it_tells_who_reads_what(self):
        asked = request(
            query={"room": ["a", "b"], "empty": []},
            headers={"accept": "text/event-stream", "x-thing": "1"},
            user={"username": "ada", "name": "Ada Lovelace", "display_name": "Ada", "unknown": 1},
            address="10.0.0.7",
            last_event_id="17",
            connection="c1",
        )
        assert (asked.path, asked.path_params["user_id"]) == ("users/42", "42")
        assert (asked.query["room"], asked.query.all("room"), asked.query.get("no")) == ("b", ("a", "b"), None)
        assert dict(asked.query) == {"room": "b"}
        assert asked.headers["X-Thing"] == "1"
        assert asked.headers.get("Authorization") is None
        assert "ACCEPT" in asked.headers
        assert (str(asked.user), asked.user.name, asked.user.display_name) == ("ada", "Ada Lovelace", "Ada")
        assert (asked.address, asked.last_event_id, asked.connection) == ("10.0.0.7", "17", "c1")

    def test_a_reader_without_a_login_is_nobody(self):
        asked = request(user=None, last_event_id=None)
        assert asked.user is None
        assert asked.last_event_id is None

    def test_it_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            request().address = "elsewhere"
        with pytest.raises(TypeError):
            request().path_params["user_id"] = "1"

    def test_response_headers_can_be_set_before_the_first_event(self):
        asked = request()
        asked.set_header("X-RateLimit-Limit", 5)
        asked.set_header("x-ratelimit-limit", "6")
        assert dict(asked.response_headers) == {"x-ratelimit-limit": "6"}
        assert asked.take_headers() == {"x-ratelimit-limit": "6"}
        with pytest.raises(RuntimeError, match="set it above the first yield"):
            asked.set_header("X-Late", "1")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X-A", "a\r\nSet-Cookie: b"),
            ("X-A", "a\nb"),
            ("X-A", "ä"),
            ("X-A", None),
            ("X A", "1"),
            ("", "1"),
            ("X:A", "1"),
            ("Content-Type", "text/html"),
            ("Content-Length", 0),
            ("Transfer-Encoding", "chunked"),
            ("Set-Cookie", "a=b"),
            ("Access-Control-Allow-Origin", "*"),
        ],
    )
    def test_a_header_that_would_break_the_response_or_is_the_servers_is_refused(self, name: str, value: object):
        asked = request()
        with pytest.raises(ValueError, match="header"):
            asked.set_header(name, value)
        assert not asked.response_headers
