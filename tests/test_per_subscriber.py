"""``@sse.per_subscriber``: every connection gets its own run. On both paths, read by httpx and curl."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from curl import Curl
from running_kernel import ServedKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture(scope="module", params=["server", "portable_server"])
def cells(request: pytest.FixtureRequest) -> Iterator[ServedKernel]:
    """A kernel for the tests of this file; each uses routes of its own."""
    with ServedKernel(request.getfixturevalue(request.param), "visits.ipynb") as kernel:
        kernel.good("%load_ext jupyter_sse\nimport jupyter_sse as sse, asyncio, time\nseen = []")
        yield kernel


def refused(cells: ServedKernel, address: str, **options: Any) -> httpx.Response:
    return cells.server.client.get(address, **options)


def end_of(cells: ServedKernel, address: str) -> dict[str, Any]:
    with cells.server.read(address) as reader:
        return json.loads(reader.until("sse.end")[-1].data)


class TestRuns:
    def test_every_connection_gets_its_own_run_of_the_generator(self, cells: ServedKernel):
        cells.good(
            "runs = []\n"
            "@sse.per_subscriber('own/{name}')\n"
            "async def own(name):\n"
            "    runs.append(name)\n"
            "    for i in range(3):\n        yield {'name': name, 'i': i}\n"
            "    await asyncio.sleep(3600)"
        )
        server = cells.server
        with server.read("sse/own/ada") as one, server.read("sse/own/bob") as two, server.read("sse/own/ada") as three:
            for reader, name in ((one, "ada"), (two, "bob"), (three, "ada")):
                assert reader.status == 200
                assert reader.response.headers["content-type"].startswith("text/event-stream")
                assert reader.values(3) == [{"name": name, "i": i} for i in range(3)]
            assert cells.value("sorted(runs)") == ["ada", "ada", "bob"]
            assert cells.value("[one.path for one in own.visits]") == ["own/ada", "own/bob", "own/ada"]

    def test_plain_generators_run_too(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('plain/{n}')\n"
            "def plain(n: int):\n    for i in range(n):\n        yield i\n        time.sleep(0.01)"
        )
        with cells.server.read("sse/plain/3") as one, cells.server.read("sse/plain/5") as two:
            assert [event.data for event in two.until("sse.end")[:-1]] == ["0", "1", "2", "3", "4"]
            assert [event.data for event in one.until("sse.end")[:-1]] == ["0", "1", "2"]

    def test_a_pattern_without_parameters_is_a_route(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('fixed')\ndef fixed():\n    yield 'x'")
        with cells.server.read("sse/fixed") as one, cells.server.read("sse/fixed") as two:
            assert one.take(1)[0].data == two.take(1)[0].data == "x"

    def test_what_a_cell_can_yield_it_can_yield(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('kinds')\n"
            "def kinds():\n"
            "    yield 'two\\nlines'\n"
            "    yield {'data': {'a': 1}, 'event': 'status', 'id': 'own-1', 'retry': 3000}\n"
            "    yield {'id': 7}\n"
            "    yield sse.ServerSentEvent('x', event='y')\n"
            "    yield [1, None]"
        )
        with cells.server.read("sse/kinds") as reader:
            events = reader.until("sse.end")[:-1]
        assert [(event.event, event.data) for event in events] == [
            ("message", "two\nlines"),
            ("status", '{"a":1}'),
            ("message", '{"id":7}'),
            ("y", "x"),
            ("message", "[1,null]"),
        ]
        assert events[1].id == "own-1"
        assert b"retry: 3000\n" in reader.received

    def test_a_value_that_cannot_be_sent_is_an_error_at_the_line_that_yields_it(self, cells: ServedKernel):
        for kind, keyword in (("plain", ""), ("async", "async ")):
            cells.good(
                f"@sse.per_subscriber('wrong/{kind}')\n{keyword}def wrong():\n"
                "    try:\n        yield {'data': 1, 'event': 'a\\nb'}\n"
                "    except sse.SSEError as error:\n        yield type(error).__name__\n    yield b'bytes'"
            )
            with cells.server.read(f"sse/wrong/{kind}") as reader:
                *events, end = reader.until("sse.end")
            assert [event.data for event in events] == ["EncodeError"]
            assert json.loads(end.data)["error"]["type"] == "EncodeError"

    def test_curl_reads_it(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('curled/{n}')\ndef curled(n: int):\n    for i in range(n):\n        yield {'i': i}"
        )
        server = cells.server
        with Curl(f"curl -sN -H 'Authorization: token {server.token}' {server.url}sse/curled/3") as curl:
            curl.wait_for_end()
            assert [data for _, data in curl.data()] == ['{"i":0}', '{"i":1}', '{"i":2}']
            assert curl.events[-1].event == "sse.end"


class TestParameters:
    def test_path_parameters_are_converted_by_annotation(self, cells: ServedKernel):
        cells.good(
            "from uuid import UUID\nfrom typing import Literal\n"
            "@sse.per_subscriber('typed/{number}/{flag}/{key}/{way}')\n"
            "def typed(number: float, flag: bool, key: UUID, way: Literal['up', 'down']):\n"
            "    yield [repr(number), repr(flag), repr(key), repr(way)]"
        )
        key = "12345678-1234-5678-1234-567812345678"
        with cells.server.read(f"sse/typed/1.5/true/{key}/up") as reader:
            assert reader.values(1) == [["1.5", "True", f"UUID('{key}')", "'up'"]]

    def test_a_wrong_value_is_a_400_with_json_before_the_generator_runs(self, cells: ServedKernel):
        cells.good(
            "ran = []\n@sse.per_subscriber('user/{user_id}')\n"
            "async def user(user_id: int):\n    ran.append(user_id)\n    yield user_id"
        )
        answer = refused(cells, "sse/user/abc")
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json()["message"] == "user_id: expected an integer, got 'abc'"
        assert cells.value("ran") == []
        with cells.server.read("sse/user/42") as reader:
            assert reader.take(1)[0].data == "42"

    def test_text_of_all_scripts_can_be_a_parameter(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('hello/{name}')\ndef hello(name):\n    yield name")
        with cells.server.read("sse/hello/Zo%C3%AB%20Ada") as reader:
            assert reader.take(1)[0].data == "Zoë Ada"

    def test_literal_segments_go_before_parameters_and_streams_before_routes(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('pick/{name}')\ndef pick(name):\n    yield 'parameter'\n"
            "@sse.per_subscriber('pick/best')\ndef best():\n    yield 'literal'"
        )
        cells.server.publish("pick/stream", "stream")
        for name, expected in (("best", "literal"), ("other", "parameter"), ("stream", '"stream"')):
            with cells.server.read(f"sse/pick/{name}") as reader:
                assert reader.take(1)[0].data.strip('"') == expected.strip('"')

    def test_what_is_neither_stream_nor_route_is_a_404(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('deep/{a}/{b}')\ndef deep(a, b):\n    yield 1")
        assert refused(cells, "sse/deep/only").status_code == 404
        assert refused(cells, "sse/deep/a/b/c").status_code == 404


class TestRequest:
    def test_it_tells_user_headers_query_parameters_and_address(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('asked/{box}')\n"
            "def asked(box, request):\n"
            "    yield {'user': request.user.username, 'box': request.path_params['box'], 'path': request.path,\n"
            "           'tag': request.query.all('tag'), 'thing': request.headers['X-Thing'],\n"
            "           'headers': sorted(request.headers), 'query': sorted(request.query),\n"
            "           'address': request.address, 'connection': request.connection}"
        )
        headers = {"X-Thing": "1", "Cookie": "secret=1"}
        with cells.server.read("sse/asked/inbox?tag=a&tag=b&control=1", headers=headers) as reader:
            events = reader.until("message")
        told = json.loads(events[-1].data)
        assert told["user"]
        assert (told["box"], told["path"], told["tag"], told["thing"]) == ("inbox", "asked/inbox", ["a", "b"], "1")
        assert told["address"] == "127.0.0.1"
        opened = next(json.loads(event.data) for event in events if event.event == "sse.open")
        assert told["connection"] == opened["connection"]
        assert not {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-xsrftoken"} & {*told["headers"]}

    def test_no_token_is_in_its_query(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('query')\ndef query(request):\n"
            "    yield sorted(request.query)\n    yield repr(request)"
        )
        server = cells.server
        with server.make_client() as anybody, server.read(f"sse/query?token={server.token}&a=1", anybody) as reader:
            first, second = reader.take(2)
        assert json.loads(first.data) == ["a"]
        assert server.token not in second.data

    def test_a_returning_reader_gets_a_new_run_that_knows_where_it_was(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('resumed')\n"
            "async def resumed(request):\n"
            "    start = int(request.last_event_id or 0)\n"
            "    for i in range(start + 1, start + 4):\n        yield {'data': i, 'id': i}\n"
            "    await asyncio.sleep(3600)"
        )
        with cells.server.read("sse/resumed") as reader:
            assert [event.data for event in reader.take(3)] == ["1", "2", "3"]
            last = reader.last_event_id
        assert last == "3"
        with cells.server.read("sse/resumed", headers={"Last-Event-ID": last}) as reader:
            # Nothing is replayed, and no gap is claimed.
            assert [(event.event, event.data) for event in reader.take(3)] == [
                ("message", "4"),
                ("message", "5"),
                ("message", "6"),
            ]

    def test_response_headers_can_be_set_before_the_first_event(self, cells: ServedKernel):
        for keyword in ("", "async "):
            kind = keyword.strip() or "plain"
            cells.good(
                f"@sse.per_subscriber('headed/{kind}')\n{keyword}def headed(request):\n"
                "    request.set_header('X-RateLimit-Remaining', 4)\n    yield 1\n"
                "    try:\n        request.set_header('X-Late', 1)\n"
                "    except RuntimeError as error:\n        yield 'too late'"
            )
            with cells.server.read(f"sse/headed/{kind}") as reader:
                assert reader.response.headers["x-ratelimit-remaining"] == "4"
                assert [event.data for event in reader.take(2)] == ["1", "too late"]

    def test_headers_that_come_too_late_are_said_to_be_lost(self, cells: ServedKernel):
        cell = cells.good(
            "@sse.per_subscriber('slowly')\nasync def slowly(request):\n    request.set_header('X-Thing', 1)\n"
            "    await asyncio.sleep(1.5)\n    yield 1"
        )
        with cells.server.read("sse/slowly") as reader:
            assert "x-thing" not in reader.response.headers
            assert reader.take(1)[0].data == "1"
        cell.wait(lambda cell: "X-Thing were set but not sent" in cell.stderr, "the hint")


class TestRefusals:
    @pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
    @pytest.mark.parametrize("keyword", ["", "async "])
    def test_an_http_error_before_the_first_event_is_that_status_with_json(
        self, cells: ServedKernel, status: int, keyword: str
    ):
        name = f"no/{status}{keyword.strip()}"
        cell = cells.good(
            f"@sse.per_subscriber({name!r})\n{keyword}def no():\n"
            f"    raise sse.HTTPError({status}, 'Not for you', {{'Retry-After': 7}})\n    yield"
        )
        answer = refused(cells, f"sse/{name}")
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["retry-after"] == "7"
        assert answer.json() == {"message": "Not for you", "reason": "refused"}
        assert not cell.error

    def test_a_later_http_error_is_an_end_with_reason_refused_and_the_status(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('later')\nasync def later():\n    yield 1\n    raise sse.HTTPError(403, 'No longer')"
        )
        with cells.server.read("sse/later") as reader:
            first, end = reader.until("sse.end")
        assert first.data == "1"
        told = json.loads(end.data)
        assert (told["reason"], told["status"]) == ("refused", 403)
        assert told["error"]["message"] == "No longer"

    def test_a_response_that_waits_for_its_generator_begins_after_a_second(self, cells: ServedKernel):
        cells.good(
            "go = asyncio.Event()\n@sse.per_subscriber('waits', loop='main')\n"
            "async def waits():\n    await go.wait()\n    raise sse.HTTPError(404, 'too late')\n    yield"
        )
        with cells.server.read("sse/waits") as reader:
            assert reader.status == 200
            cells.good("go.set()")
            told = json.loads(reader.until("sse.end")[-1].data)
        assert (told["reason"], told["status"]) == ("refused", 404)


class TestEnds:
    def test_the_generators_own_end_is_told_after_what_is_pending_and_its_id_gets_204(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('short')\nasync def short():\n    for i in range(3):\n        yield i")
        with cells.server.read("sse/short") as reader:
            *events, end = reader.until("sse.end")
            assert list(reader.events()) == []
        assert [event.data for event in events] == ["0", "1", "2"]
        assert json.loads(end.data)["reason"] == "done"
        assert refused(cells, "sse/short", headers={"Last-Event-ID": end.id}).status_code == 204
        with cells.server.read("sse/short") as reader:
            assert reader.take(1)[0].data == "0"

    @pytest.mark.parametrize("keyword", ["", "async "])
    def test_an_exception_is_told_without_its_traceback_which_goes_to_the_cell(self, cells: ServedKernel, keyword: str):
        name = f"fails/{keyword.strip() or 'plain'}"
        cell = cells.good(
            f"@sse.per_subscriber({name!r})\n{keyword}def fails():\n    yield 1\n    secret = 'in the frame'\n"
            "    raise ValueError('no more data')"
        )
        with cells.server.read(f"sse/{name}") as reader:
            told = json.loads(reader.until("sse.end")[-1].data)
        assert told["reason"] == "error"
        assert (told["error"]["type"], told["error"]["message"]) == ("ValueError", "no more data")
        assert b"Traceback" not in reader.received
        assert b"secret" not in reader.received
        cell.wait(lambda cell: "raise ValueError('no more data')" in cell.error, "the traceback")
        assert "jupyter_sse/" not in cell.error

    def test_errors_of_many_readers_are_shown_ten_times(self, cells: ServedKernel):
        cell = cells.good("@sse.per_subscriber('all-fail')\ndef all_fail():\n    yield 1\n    1 / 0")
        for _ in range(13):
            assert end_of(cells, "sse/all-fail")["reason"] == "error"
        cell.wait(lambda cell: "10 errors are shown" in cell.stderr, "the hint")
        assert sum(kind == "error" for kind, _ in cell.outputs) == 10

    def test_events_that_the_user_names_error_pass_through_as_data(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('errors')\n"
            "async def errors():\n"
            "    yield {'data': {'error': 'Temporary data unavailable'}, 'event': 'error', 'id': 'error-1'}\n"
            "    yield {'data': {'value': 2}, 'event': 'data', 'id': '2'}\n"
            "    yield {'data': {'error': 'x'}, 'event': 'fatal_error', 'id': 'fatal'}"
        )
        with cells.server.read("sse/errors") as reader:
            events = reader.until("sse.end")[:-1]
        assert [(event.event, event.id) for event in events] == [
            ("error", "error-1"),
            ("data", "2"),
            ("fatal_error", "fatal"),
        ]


class TestManyStreams:
    def test_it_works_over_a_connection_of_many_streams(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('both/{name}')\n"
            "async def both(name):\n"
            "    if name == 'no':\n        raise sse.HTTPError(403, 'Not you')\n"
            "    for i in range(3):\n        yield {'name': name, 'i': i}\n"
            "    if name == 'b':\n        await asyncio.sleep(3600)"
        )
        cells.server.publish("both-stream", {"n": 1})
        address = "sse?stream=both/a@earliest&stream=both/b&stream=both-stream&stream=both/no&control=1"
        data: dict[str, list[Any]] = {}
        ends: dict[str, Any] = {}
        with cells.server.read(address) as reader:
            for event in reader.events():
                told = json.loads(event.data)
                if event.event == "sse.end":
                    ends[told["stream"]] = told
                elif not event.event.startswith("sse."):
                    data.setdefault(event.event, []).append(told)
                if len(ends) == 2 and len(data.get("both/b:message", [])) == 3 and "both-stream:message" in data:
                    break
        assert [one["i"] for one in data["both/a:message"]] == [0, 1, 2]
        assert ends["both/a"]["reason"] == "done"
        assert (ends["both/no"]["reason"], ends["both/no"]["status"]) == ("refused", 403)

    def test_a_stream_that_is_taken_from_a_connection_ends_its_run(self, cells: ServedKernel):
        cells.good(
            "left = []\n@sse.per_subscriber('taken/{name}')\nasync def taken(name):\n"
            "    try:\n        yield name\n        await asyncio.sleep(3600)\n    finally:\n        left.append(name)"
        )
        with cells.server.read("sse?stream=taken/a&control=1") as reader:
            connection = json.loads(reader.until("sse.open")[-1].data)["connection"]
            reader.until("taken/a:message")
            address = f"api/sse/connections/{connection}"
            answer = cells.server.client.post(address, json={"add": ["taken/b"], "remove": ["taken/a"]})
            assert answer.status_code < 300
            reader.until("taken/b:message")
            cells.wait("left == ['a']")
