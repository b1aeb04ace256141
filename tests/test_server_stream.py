"""Reading a stream over HTTP: the same promises on all ways out of the server."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_server import wait_until

from jupyter_sse._rust import Link

if TYPE_CHECKING:
    from running_server import JupyterServer

HEAD_OF_A_STREAM = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    "connection": "close",
}


def metrics(server: JupyterServer) -> dict:
    return server.client.get("api/sse/metrics").json()


def raw_socket(server: JupyterServer) -> socket.socket:
    """Connect without an HTTP library."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    if isinstance(server.verify, ssl.SSLContext):
        return server.verify.wrap_socket(plain, server_hostname="127.0.0.1")
    return plain


def raw_request(server: JupyterServer, line: str, *headers: str) -> bytes:
    login = f"Authorization: token {server.token}"
    lines = [line, f"Host: 127.0.0.1:{server.port}", login, *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def receive_until(connected: socket.socket, ending: bytes) -> bytes:
    received = b""
    while ending not in received:
        chunk = connected.recv(65536)
        assert chunk, f"the connection ended before {ending!r}: {received!r}"
        received += chunk
    return received


def test_reader_gets_history_then_live_events_in_order(any_server: JupyterServer):
    any_server.publish("order/a", *range(5))
    with any_server.read("sse/order/a") as reader:
        assert reader.values(5) == [0, 1, 2, 3, 4]
        any_server.publish("order/a", 5, 6)
        assert reader.values(2) == [5, 6]


def test_head_of_a_stream_is_close_delimited_and_carries_no_cookie(any_server: JupyterServer):
    any_server.publish("head", 1)
    fresh = any_server.make_client(headers={"Authorization": f"token {any_server.token}"})
    with fresh, any_server.read("sse/head", client=fresh) as reader:
        assert reader.status == 200
        headers = reader.response.headers
        assert {name: headers[name] for name in HEAD_OF_A_STREAM} == HEAD_OF_A_STREAM
        for absent in ("set-cookie", "transfer-encoding", "content-length"):
            assert absent not in headers
        assert headers["x-content-type-options"] == "nosniff"


def test_first_bytes_carry_head_and_reconnection_time_together(any_server: JupyterServer):
    any_server.publish("first", 1)
    with raw_socket(any_server) as connected:
        connected.sendall(raw_request(any_server, f"GET {any_server.base_url}sse/first HTTP/1.1"))
        received = receive_until(connected, b"data: 1\n\n")
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert re.match(rb"retry: [0-9]+\n\n", body)


def test_subscribers_get_the_same_bytes_for_the_same_events(any_server: JupyterServer):
    any_server.publish("same", "first")
    with any_server.read("sse/same") as early:
        early.take(1)
        any_server.publish("same", {"a": 1}, "two\nlines")
        early.take(2)
        with any_server.read("sse/same") as late:
            late.take(3)
            bodies = [reader.received.partition(b"\n\n")[2] for reader in (early, late)]
    assert bodies[0] == bodies[1]


def test_reader_that_returns_with_a_position_misses_nothing_and_gets_nothing_twice(any_server: JupyterServer):
    any_server.publish("resume", *range(10))
    with any_server.read("sse/resume") as reader:
        assert reader.values(4) == [0, 1, 2, 3]
    positions = any_server.publish("resume", 10)
    # The reader may have got more than it took: what counts is the id of the last event it took.
    parsed = all_positions(any_server, "resume")
    with any_server.read("sse/resume", headers={"Last-Event-ID": parsed[3]}) as reader:
        assert reader.values(7) == [4, 5, 6, 7, 8, 9, 10]
        assert reader.last_event_id == positions[-1]
    with any_server.read(f"sse/resume?last_event_id={parsed[8]}") as reader:
        assert reader.values(2) == [9, 10]


def all_positions(server: JupyterServer, name: str) -> list[str]:
    count = server.client.get(f"api/sse/streams/{name}").json()["events"]
    with server.read(f"sse/{name}") as reader:
        return [event.id for event in reader.take(count)]


def test_own_id_beyond_ascii_resumes(any_server: JupyterServer):
    body = "id: größe-1\ndata: a\n\nid: größe-2\ndata: b\n\n"
    headers = {"Content-Type": "text/event-stream"}
    assert any_server.client.post("sse/own", content=body.encode(), headers=headers).status_code == 201
    # An EventSource sends the id as UTF-8.
    with any_server.read("sse/own", headers=[(b"Last-Event-ID", "größe-1".encode())]) as reader:
        assert reader.take(1)[0].data == "b"


@pytest.mark.parametrize(("start", "expected"), [("earliest", [0, 1, 2]), ("-2", [1, 2]), ("-1", [2])])
def test_start_in_the_address_chooses_what_a_newcomer_gets(any_server: JupyterServer, start: str, expected: list):
    any_server.publish(f"start{start}", 0, 1, 2)
    with any_server.read(f"sse/start{start}@{start}") as reader:
        assert reader.values(len(expected)) == expected


def test_start_latest_gets_only_what_comes(any_server: JupyterServer):
    any_server.publish("latest", 0, 1)
    with any_server.read("sse/latest@latest?control=1") as reader:
        reader.until("sse.ready")
        any_server.publish("latest", 2)
        assert reader.values(1) == [2]


def test_many_streams_come_over_one_connection_in_the_order_of_the_server(any_server: JupyterServer):
    any_server.publish("many/a", 1)
    any_server.publish("many/b", 2)
    any_server.publish("many/a", 3)
    with any_server.read("sse?stream=many/a&stream=many/b") as reader:
        events = [event for event in reader.take(3) if not event.event.startswith("sse.")]
        assert [(event.event, event.data) for event in events] == [
            ("many/a:message", "1"),
            ("many/b:message", "2"),
            ("many/a:message", "3"),
        ]


def test_set_of_streams_changes_while_connected(any_server: JupyterServer):
    any_server.publish("set/a", 1)
    any_server.publish("set/b", 2)
    with any_server.read("sse?stream=set/a&control=1") as reader:
        opened = reader.until("sse.open")[-1]
        reader.until("sse.ready")
        connection = json.loads(opened.data)["connection"]
        change = {"add": ["set/b@earliest"], "remove": ["set/a"]}
        assert any_server.client.post(f"api/sse/connections/{connection}", json=change).status_code == 204
        assert reader.until("set/b:message")[-1].data == "2"
        any_server.publish("set/a", 3)
        any_server.publish("set/b", 4)
        kinds = {event.event for event in reader.until("set/b:message")}
        assert "set/a:message" not in kinds


def test_positions_replace_own_ids_where_asked(any_server: JupyterServer):
    body = "id: mine\ndata: a\n\n"
    any_server.client.post("sse/ids", content=body, headers={"Content-Type": "text/event-stream"})
    with any_server.read("sse/ids") as own, any_server.read("sse/ids?ids=position") as positions:
        assert own.take(1)[0].id == "mine"
        assert re.fullmatch(r"[0-9A-Za-z]{11}-[0-9]+-1", positions.take(1)[0].id)


def test_ended_stream_says_so_closes_and_stops_an_eventsource_on_return(any_server: JupyterServer):
    any_server.publish("over", 1)
    assert any_server.client.delete("api/sse/streams/over").status_code == 204
    with any_server.read("sse/over") as reader:
        events = list(reader.events())
    assert [event.event for event in events] == ["message", "sse.end"]
    with any_server.read("sse/over", headers={"Last-Event-ID": events[-1].id}) as reader:
        assert reader.status == 204
        assert "content-type" not in reader.response.headers
    with any_server.read(f"sse/over?last_event_id={events[-1].id}") as reader:
        assert reader.status == 204


def test_unknown_stream_refuses_a_newcomer_and_lets_others_wait(any_server: JupyterServer):
    answer = any_server.client.get("sse/unknown/one")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "unknown"
    assert "unknown/one" in answer.json()["message"]
    with any_server.read("sse/unknown/one?wait=1") as reader:
        assert reader.status == 200
        any_server.publish("unknown/one", 1)
        assert reader.values(1) == [1]


def test_returning_reader_of_a_missing_stream_is_told_of_the_gap_and_waits(any_server: JupyterServer):
    with any_server.read("sse/gone", headers={"Last-Event-ID": "01234567890-5-5"}) as reader:
        assert reader.status == 200
        any_server.publish("gone", "new")
        events = reader.take(2)
    assert [event.event for event in events] == ["sse.gap", "message"]
    assert json.loads(events[0].data)["reason"] == "epoch"


def test_head_request_answers_as_get_would_without_a_stream(any_server: JupyterServer):
    any_server.publish("headed", 1)
    answer = any_server.client.head("sse/headed")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == HEAD_OF_A_STREAM["content-type"]
    assert answer.content == b""
    assert any_server.client.head("sse/not-headed").status_code == 404
    assert any_server.client.head("sse?stream=headed").status_code == 200


def test_http_1_0_client_reads_until_the_connection_closes(any_server: JupyterServer):
    any_server.publish("old", 1)
    any_server.client.delete("api/sse/streams/old")
    with raw_socket(any_server) as connected:
        connected.sendall(raw_request(any_server, f"GET {any_server.base_url}sse/old HTTP/1.0"))
        received = b""
        while chunk := connected.recv(65536):
            received += chunk
    assert b"data: 1\n\n" in received
    assert b"event: sse.end\n" in received


def test_bytes_after_the_request_are_dropped(any_server: JupyterServer):
    any_server.publish("pipelined", 1)
    request = raw_request(any_server, f"GET {any_server.base_url}sse/pipelined HTTP/1.1")
    with raw_socket(any_server) as connected:
        connected.sendall(request + raw_request(any_server, f"GET {any_server.base_url}api/status HTTP/1.1"))
        receive_until(connected, b"data: 1\n\n")
        connected.sendall(b"and more of it\r\n")
        any_server.publish("pipelined", 2)
        received = receive_until(connected, b"data: 2\n\n")
    assert b"HTTP/1.1" not in received


def test_reader_that_leaves_is_noticed_without_an_event(any_server: JupyterServer):
    any_server.publish("left", 1)

    def subscribers() -> int:
        return any_server.client.get("api/sse/streams/left").json()["subscribers"]

    with any_server.read("sse/left") as reader:
        reader.take(1)
        assert subscribers() == 1
    wait_until(lambda: subscribers() == 0, "the reader is gone")


@pytest.mark.parametrize("path", ["server", "portable_server"])
def test_half_closed_connection_counts_as_left(path: str, request: pytest.FixtureRequest):
    server: JupyterServer = request.getfixturevalue(path)
    server.publish("half", 1)
    with raw_socket(server) as connected:
        connected.sendall(raw_request(server, f"GET {server.base_url}sse/half HTTP/1.1"))
        receive_until(connected, b"data: 1\n\n")
        connected.shutdown(socket.SHUT_WR)
        assert connected.recv(1) == b""


def test_readers_that_leave_at_once_leave_nothing_behind(any_server: JupyterServer):
    any_server.publish("instant", 1)
    before = open_files(any_server)
    for _ in range(100):
        with raw_socket(any_server) as connected:
            connected.sendall(raw_request(any_server, f"GET {any_server.base_url}sse/instant HTTP/1.1"))
    wait_until(lambda: metrics(any_server)["connections"] == 0, "no reader is left")
    wait_until(lambda: open_files(any_server) <= before + 2, "the sockets are closed")


def open_files(server: JupyterServer) -> int:
    return sum(1 for _ in Path(f"/proc/{server.process.pid}/fd").iterdir())


def test_reader_that_stalls_holds_up_nobody(any_server: JupyterServer):
    text = "x" * 1000
    any_server.publish("stalled", 0)
    with raw_socket(any_server) as stalled:
        stalled.sendall(raw_request(any_server, f"GET {any_server.base_url}sse/stalled HTTP/1.1"))
        receive_until(stalled, b"data: 0\n\n")
        with any_server.read("sse/stalled") as reader:
            reader.take(1)
            for block in range(20):
                any_server.publish("stalled", *[[block, number, text] for number in range(500)])
            values = reader.values(10_000)
    assert [value[:2] for value in values] == [[block, number] for block in range(20) for number in range(500)]


def test_large_history_arrives_whole(any_server: JupyterServer):
    text = "y" * 1000
    for block in range(10):
        any_server.publish("large", *[[block, number, text] for number in range(1000)])
    with any_server.read("sse/large") as reader:
        values = reader.values(10_000)
    assert [value[:2] for value in values] == [[block, number] for block in range(10) for number in range(1000)]


def test_many_readers_get_every_event(any_server: JupyterServer):
    any_server.publish("crowd", 0)
    connected = threading.Barrier(31, timeout=30)

    def read() -> list[int]:
        with (
            any_server.make_client(headers={"Authorization": f"token {any_server.token}"}) as client,
            any_server.read("sse/crowd", client=client) as reader,
        ):
            connected.wait()
            return reader.values(201)

    with ThreadPoolExecutor(30) as pool:
        readers = [pool.submit(read) for _ in range(30)]
        connected.wait()
        for start in range(1, 201, 10):
            any_server.publish("crowd", *range(start, start + 10))
        assert all(reader.result() == list(range(201)) for reader in readers)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_reads_a_stream(any_server: JupyterServer, certificate: tuple):
    any_server.publish("curled", {"a": 1})
    any_server.client.delete("api/sse/streams/curled")
    command = ["curl", "--silent", "--show-error", "--no-buffer", "--insecure", "--header", "@-"]
    done = subprocess.run(
        [*command, f"{any_server.url}sse/curled"],
        input=f"Authorization: token {any_server.token}\n".encode(),
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert b'data: {"a":1}\n\n' in done.stdout
    assert b"event: sse.end\n" in done.stdout


@pytest.mark.parametrize(
    ("query", "said"),
    [("ids=both", "ids=position"), ("control=yes", "control=1"), ("wait=2", "wait=1"), ("slow=never", "slow=latest")],
)
def test_unknown_choice_in_the_address_is_refused(server: JupyterServer, query: str, said: str):
    server.publish("choice", 1)
    answer = server.client.get(f"sse/choice?{query}")
    assert answer.status_code == 400
    assert said in answer.json()["message"]


@pytest.mark.parametrize("name", ["a b", "a//b", "../etc", "%0A", "x" * 201, "é"])
def test_invalid_name_is_refused_with_the_rule(server: JupyterServer, name: str):
    for answer in (server.client.get(f"sse?stream={name}"), server.client.get(f"sse/x/{name}")):
        if answer.status_code != 404:  # the client itself resolves a path with dots
            assert answer.status_code == 400
            assert answer.json()["reason"] == "name"


def test_no_stream_in_the_address_is_refused(server: JupyterServer):
    answer = server.client.get("sse")
    assert answer.status_code == 400
    assert "?stream=" in answer.json()["message"]


def test_wrong_method_names_the_right_ones(server: JupyterServer):
    for path in ("sse/method", "api/sse/streams", "api/sse/streams/method", "api/sse/metrics"):
        answer = server.client.put(path)
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]
        assert answer.json()["reason"] == "method"


def test_handed_over_and_portable_streams_are_counted(server: JupyterServer, portable_server: JupyterServer):
    for running, path in ((server, "handed_over"), (portable_server, "portable")):
        running.publish("counted", 1)
        before = metrics(running)["http"]
        with running.read("sse/counted") as reader:
            reader.take(1)
            after = metrics(running)
        assert after["http"][path] == before[path] + 1
        assert after["connections"] >= 1


def test_stream_is_logged_with_status_and_counted_as_a_request(any_server: JupyterServer):
    any_server.publish("logged", 1)
    with any_server.read("sse/logged") as reader:
        reader.take(1)
        wait_until(lambda: re.search(r"200 GET \S*/sse/logged \(", any_server.log()), "the line is in the log")
    scraped = any_server.client.get("metrics").text
    assert "SingleStreamHandler" in scraped
    assert re.search(r"^jupyter_sse_connections(_total)? ", scraped, re.MULTILINE)


def test_server_keeps_answering_while_it_fans_out(server: JupyterServer):
    server.publish("busy", 0)
    stop = threading.Event()

    def publish() -> None:
        with server.make_client(headers={"Authorization": f"token {server.token}"}) as client:
            lines = b"\n".join(b'{"v": 1}' for _ in range(1000))
            while not stop.is_set():
                client.post("sse/busy", content=lines, headers={"Content-Type": "application/x-ndjson"})

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        with server.read("sse/busy@latest") as reader:
            reader.take(5000)
            assert server.client.get("api/status").status_code == 200
    finally:
        stop.set()
        thread.join()
    server.client.delete("api/sse/streams/busy")


def test_connections_beyond_the_bound_are_refused_and_told_when_to_return(small_server: JupyterServer):
    small_server.publish("bound", 1)
    with small_server.read("sse/bound") as first, small_server.read("sse/bound") as second:
        cursor = first.take(1)[0].id
        second.take(1)
        with small_server.read("sse/bound") as refused:
            assert refused.status == 503
            assert refused.response.headers["retry-after"].isdigit()
            assert json.loads(refused.response.read())["reason"] == "limit"
        with small_server.read("sse/bound", headers={"Last-Event-ID": cursor}) as returning:
            assert returning.status == 200


def test_streams_beyond_the_bound_are_refused(small_server: JupyterServer):
    link = Link(small_server.link_path, "pid-1", "cell 1")
    try:
        for number in range(5):
            link.open(f"s{number}", "run", timeout=10.0)
        refused = small_server.client.post("sse/one-too-many", json=1)
    finally:
        link.close()
    assert refused.status_code == 503
    assert refused.headers["retry-after"].isdigit()


def test_server_on_a_unix_socket_hands_over_too(unix_server: JupyterServer):
    unix_server.publish("unix", 1)
    with unix_server.read("sse/unix") as reader:
        assert reader.values(1) == [1]
        unix_server.publish("unix", 2)
        assert reader.values(1) == [2]
        assert metrics(unix_server)["http"]["handed_over"] == 1


def test_connection_that_is_old_ends_and_its_reader_misses_nothing(unix_server: JupyterServer):
    unix_server.publish("aging", 1)
    with unix_server.read("sse/aging") as reader:
        assert reader.values(1) == [1]
        assert list(reader.events()) == []
    unix_server.publish("aging", 2)
    with unix_server.read("sse/aging", headers={"Last-Event-ID": reader.last_event_id}) as returning:
        assert returning.values(1) == [2]


@pytest.mark.parametrize(("path", "is_activity"), [("server", False), ("unix_server", True)])
def test_reading_is_activity_where_the_settings_say_so(path: str, is_activity: bool, request: pytest.FixtureRequest):
    running: JupyterServer = request.getfixturevalue(path)
    running.publish("activity", 1)

    def last_activity() -> str:
        return running.client.get("api/status?no_track_activity=1").json()["last_activity"]

    before = last_activity()
    with running.read("sse/activity") as reader:
        reader.take(1)
        assert (last_activity() != before) is is_activity


def test_an_endless_last_id_is_kept_and_told_in_part(server: JupyterServer):
    server.publish("endless-id", 1)
    with server.read("sse/endless-id", headers={"Last-Event-ID": "x" * 50_000}) as reader:
        gap, event = reader.take(2)
    requested = json.loads(gap.data)["requested"]
    assert set(requested) == {"x"}
    assert len(requested) < 1_000
    assert event.data == "1"
