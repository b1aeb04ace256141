"""A generator for each subscriber: what its reader gets, and what it is told. The tests themselves generate."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING

import pytest
from running_server import TIMEOUT, wait_until

from jupyter_sse import Decoder
from jupyter_sse.error import OwnedError, ReaderGoneError, StreamNameError
from jupyter_sse.transport import read_socket, subscribe_frame
from rules.generators import DyingKernel, Generators

if TYPE_CHECKING:
    from rules.site import Site


def test_each_reader_gets_a_run_of_its_own(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        one, first = generators.visit(f"/{name}/42")
        other, second = generators.visit(f"/{name}/42")
        first.send("for one")
        second.send("for the other")
        assert [block.json for block in one.events(2)] == ["first", "for one"]
        assert [block.json for block in other.events(2)] == ["first", "for the other"]
        listed = site.server.client.get("api/sse/routes").json()
        assert [route["visits"] for route in listed if route["pattern"] == f"{name}/{{user}}"] == [2]
        assert site.server.client.get(f"api/sse/streams/{name}/42").status_code == 404


def test_generator_is_told_who_reads_and_no_credentials(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        headers = {
            "X-Own": "yes",
            "Cookie": "a=b",
            "Last-Event-ID": "17",
            "Referer": "http://a/b?token=secret",
            "X-XSRFToken": "x",
            "X-Forwarded-Access-Token": "secret",
            "X-Api-Key": "secret",
        }
        generators.ask(
            f"/{name}/J%C3%B6rg%40home?q=1&q=2&token={site.server.token}&control=1",
            headers=headers,
        )
        visit = generators.begin()
        visit.refuse(403, "no")
        request = visit.request
        assert request["path"] == f"{name}/J%C3%B6rg%40home"
        assert request["path_params"] == {"user": "Jörg@home"}
        assert request["query"] == {"q": ["1", "2"]}
        assert request["headers"]["x-own"] == "yes"
        assert request["last_event_id"] == "17"
        assert request["address"] == "127.0.0.1"
        assert request["user"]["username"]
        assert len(request["connection"]) == 22
        told = json.dumps(request)
        assert site.server.token not in told
        assert not {"authorization", "cookie", "x-xsrftoken"} & set(request["headers"])
        assert "secret" not in told


def test_refusal_before_the_first_event_is_the_status_of_the_response(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        asked = generators.ask(f"/{name}/42")
        headers = {"Retry-After": "9", "Content-Length": "1", "x\ny": "z"}
        generators.begin().refuse(429, "Too many connections", **headers)
        answer = asked.result(TIMEOUT)
        assert answer.status_code == 429
        assert answer.json() == {"message": "Too many connections", "reason": "refused"}
        assert answer.headers["Retry-After"] == "9"
        assert answer.headers["Content-Type"].startswith("application/json")


def test_later_refusal_is_an_end_with_its_status(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        reader, visit = generators.visit(f"/{name}/42")
        visit.refuse(410, "gone by now")
        end = reader.control("sse.end")
        assert (end.json["reason"], end.json["status"]) == ("refused", 410)
        assert end.json["error"]["message"] == "gone by now"
        assert reader.body() == b""


def test_headers_that_are_set_before_the_first_event_are_the_responses(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        connecting = generators.connect(f"/{name}/42")
        visit = generators.begin()
        headers = {"X-Own": "yes", "Content-Type": "text/plain", "Set-Cookie": "a=b", "X-Bad": "a\r\nb: c"}
        visit.producer.head(json.dumps({"headers": headers}))
        visit.send(1)
        reader = connecting.result(TIMEOUT)
        assert reader.headers["x-own"] == "yes"
        assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert not {"set-cookie", "x-bad", "b"} & set(reader.headers)
        assert reader.events(1)[0].json == 1


def test_head_waits_for_the_first_event_the_end_or_a_second(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        started = time.monotonic()
        connecting = generators.connect(f"/{name}/silent")
        silent = generators.begin()
        reader = connecting.result(TIMEOUT)
        assert time.monotonic() - started > 0.9
        silent.producer.head('{"headers": {"x": "too late"}}')
        silent.send(1)
        assert reader.events(1)[0].json == 1
        connecting = generators.connect(f"/{name}/short")
        generators.begin().producer.end("done")
        reader = connecting.result(TIMEOUT)
        assert reader.control("sse.end").json["reason"] == "done"


def test_end_of_a_generator_closes_the_connection_and_its_id_gets_204(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        reader, visit = generators.visit(f"/{name}/42")
        visit.producer.end("done")
        end = reader.control("sse.end")
        assert reader.body() == b""
        assert site.server.client.get(f"sse/{name}/42", headers={"Last-Event-ID": end.id}).status_code == 204
        generators.end()
        assert site.server.client.get(f"sse/{name}/42", headers={"Last-Event-ID": end.id}).status_code == 204


def test_error_of_a_generator_ends_with_its_type_and_message(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        reader, visit = generators.visit(f"/{name}/42")
        visit.producer.end("error", '{"type": "KeyError", "message": "x", "traceback": "secret"}')
        end = reader.control("sse.end")
        assert end.json["reason"] == "error"
        assert end.json["error"] == {"type": "KeyError", "message": "x", "line": None}


def test_who_returns_gets_a_new_run_without_replay_or_gap(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        reader, visit = generators.visit(f"/{name}/42")
        visit.send(2)
        last = reader.events(2)[-1].id
        reader.__exit__()
        generators.wait_until_stopped(visit)
        reader, visit = generators.visit(f"/{name}/42", last)
        assert visit.request["last_event_id"] == last
        visit.send(3)
        assert [block.json for block in reader.events(2)] == ["first", 3]
        assert not [block for block in reader.blocks if block.is_control]


def test_reader_that_leaves_stops_its_generator(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        reader, visit = generators.visit(f"/{name}/42")
        reader.__exit__()
        generators.wait_until_stopped(visit)
        with pytest.raises(ReaderGoneError):
            generators.link.open(f"{name}/42", "visit", '{"visit": 1}', 20)
        wait_until(lambda: not site.server.client.get("api/sse/routes").json()[0]["visits"], "nobody reads")


def test_reader_that_leaves_before_it_has_a_head_stops_its_generator(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        connecting = generators.connect(f"/{name}/42")
        visit = generators.begin()
        generators._readers[-1]._socket.shutdown(2)
        generators.wait_until_stopped(visit)
        assert connecting.exception(TIMEOUT) is not None


def test_reader_that_stops_reading_stops_its_generator_which_has_little_in_flight(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        reader, visit = generators.visit(f"/{name}/42", receive_bytes=4096)
        sent = 1
        while visit.producer.wait_for_credit(1):
            visit.send("x" * 1000)
            sent += 1
            assert sent < 20_000, "twenty megabytes are in flight"
        assert visit.producer.credit > -2000
        assert len(reader.events(sent)) == sent
        assert visit.producer.wait_for_credit(TIMEOUT)


def test_stream_of_that_name_goes_before_a_route_and_literals_before_parameters(site: Site, name: str) -> None:
    with (
        Generators(site, f"{name}/{{user}}") as anybody,
        Generators(site, f"{name}/me") as me,
    ):
        site.publish(f"{name}/stream", 1)
        with site.read(f"/{name}/stream") as reader:
            assert reader.events(1)[0].json == 1
        me.ask(f"/{name}/me")
        me.begin().refuse(403, "me")
        anybody.ask(f"/{name}/you")
        anybody.begin().refuse(403, "you")
        assert site.server.client.get(f"sse/{name}/a/b").status_code == 404
        assert site.server.client.head(f"sse/{name}/you").status_code == 200
        assert site.server.client.head(f"sse/{name}/a/b").status_code == 404


def test_one_kernel_owns_a_route_and_patterns_are_checked(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}"):
        with pytest.raises(OwnedError, match="generators-"):
            site.link.open(f"{name}/{{other}}", "route", "{}", 20)
        with pytest.raises(StreamNameError, match="no parameter"):
            site.link.open(f"{name}/{{}}", "route", "{}", 20)


def test_route_that_is_defined_again_gives_connected_readers_its_new_generator(site: Site, name: str) -> None:
    pattern = f"{name}/{{user}}"
    with Generators(site, pattern) as old:
        reader, before = old.visit(f"/{name}/42?control=1")
        last = reader.events(1)[-1].id
        with Generators(site, pattern, old.link) as new:
            old.wait_until_stopped(before)
            after = new.begin()
            assert after.request["last_event_id"] == last
            before.send("late")
            before.producer.end("stopped")
            after.send("new")
            assert reader.events(1)[-1].json == "new"
            runs = [block.json for block in reader.blocks if block.event == "sse.run"]
            assert [(run["run"], run["kind"]) for run in runs] == [(1, "visit"), (2, "visit")]


def test_kernel_that_dies_ends_all_its_runs_as_lost(site: Site, name: str) -> None:
    with DyingKernel(site, f"{name}/{{user}}") as kernel, contextlib.ExitStack() as open_readers:
        readers = [open_readers.enter_context(site.read(f"/{name}/{number}")) for number in range(3)]
        assert [reader.events(1)[0].json for reader in readers] == ["first"] * 3
        kernel.kill()
        for reader in readers:
            assert reader.control("sse.end").json["reason"] == "lost"
        assert site.server.client.get(f"sse/{name}/42").status_code == 404


def test_routes_are_read_over_a_connection_of_many_streams(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        connecting = generators.connect(f"?stream={name}/1&stream={name}/2&stream={name}/none/3&control=1")
        reader = connecting.result(TIMEOUT)
        visits = {visit.request["path"]: visit for visit in (generators.begin(), generators.begin())}
        visits[f"{name}/1"].refuse(403, "not you")
        visits[f"{name}/2"].send("yes")
        (event,) = reader.events(1)
        assert (event.event, event.json) == (f"{name}/2:message", "yes")
        wait_until(lambda: reader.controls("sse.end")[1:] or reader.block() is None, "two ends")
        ends = {block.json["stream"]: block.json["status"] for block in reader.controls("sse.end")}
        assert ends == {f"{name}/1": 403, f"{name}/none/3": 404}
        site.change(reader, remove=[f"{name}/2"], add=[f"{name}/4"])
        generators.wait_until_stopped(visits[f"{name}/2"])
        generators.begin().send("later")
        assert reader.events(1)[-1].event == f"{name}/4:message"


def test_run_that_is_over_does_not_begin_again_when_a_connection_of_many_streams_comes_back(
    site: Site, name: str
) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        reader = generators.connect(f"?stream={name}/42&control=1").result(TIMEOUT)
        generators.begin().producer.end("done")
        cursor = reader.control("sse.end").json["cursor"]
        begun = site.metrics()["visits_begun"]
        with site.read(f"?stream={name}/42@{cursor}&control=1") as back:
            back.control("sse.ready")
            assert not back.controls("sse.run")
            assert site.metrics()["visits_begun"] == begun
            with Generators(site, f"{name}/{{user}}", generators.link) as anew:
                # The first connection is there, too.
                for _ in (reader, back):
                    anew.begin().send("new")
                assert back.values(1) == reader.values(1) == ["new"]


def test_routes_are_read_by_name_from_a_kernel(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}") as generators:
        frame = subscribe_frame(f"{name}/42", "5", control=False, wait=False)
        with read_socket(site.server.link_path, frame) as chunks:
            visit = generators.begin()
            assert visit.request["last_event_id"] == "5"
            visit.send(1)
            visit.refuse(403, "enough")
            decoder = Decoder()
            events = [event for chunk in chunks for event in decoder.feed(chunk)]
        assert [event.event for event in events] == ["message", "sse.end"]
        assert json.loads(events[-1].data)["status"] == 403


def test_request_beyond_its_bound_is_refused(site: Site, name: str) -> None:
    with Generators(site, f"{name}/{{user}}"):
        answer = site.server.client.get(f"sse/{name}/42?q={'x' * 20_000}")
        assert (answer.status_code, answer.json()["reason"]) == (431, "too-large")
