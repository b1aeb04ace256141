"""``sse.subscribe`` by address: through cuts, restarts, refusals and TLS, without a Jupyter around it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from e2e.wire import Wire
from running_server import TIMEOUT, JupyterServer, wait_until

import jupyter_sse as sse
from jupyter_sse.error import DecodeError, LinkError, UnknownStreamError
from jupyter_sse.reconnection import LONGEST_PAUSE, SETTLED_AFTER, Reconnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_BODY = "Content-Length: 0\r\nConnection: close\r\n\r\n"
STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Scripted:
    """A server that gives one answer after the other, the last one again and again. Use as a context manager.

    Attributes:
        url: Of its stream.
        requests: When each came, and its text.
    """

    def __init__(self, *answers: str | Callable[[socket.socket], None]) -> None:
        self.requests: list[tuple[float, str]] = []
        self._answers = answers
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/stream"

    def __enter__(self) -> Scripted:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listening.accept()[0]
            except OSError:
                return
            with connection:
                request = connection.recv(65536).decode()
                answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
                self.requests.append((time.monotonic(), request))
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer.encode())

    def header(self, number: int, name: str) -> str | None:
        """Return a header of a request."""
        lines = dict(line.split(": ", 1) for line in self.requests[number][1].split("\r\n")[1:] if line)
        return {key.lower(): value for key, value in lines.items()}.get(name.lower())


pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(params=["sync", "async"])
def collect(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Return the first events of a subscription, by one form of iteration or the other."""

    def collect_sync(
        subscription: sse.Subscription, count: int | None = None, events: list[Any] | None = None
    ) -> list[Any]:
        events = [] if events is None else events
        for event in subscription:
            events.append(event)
            if len(events) == count:
                break
        return events

    def collect_async(
        subscription: sse.Subscription, count: int | None = None, events: list[Any] | None = None
    ) -> list[Any]:
        async def main(events: list[Any]) -> list[Any]:
            async for event in subscription:
                events.append(event)
                if len(events) == count:
                    break
            return events

        return asyncio.run(main([] if events is None else events))

    return collect_sync if request.param == "sync" else collect_async


def test_reader_goes_on_through_cuts_and_a_server_that_is_killed_and_is_told_what_it_missed(collect: Any) -> None:
    server = JupyterServer("--SSEApp.reconnection_time=50").start()
    got: list[Any] = []
    try:
        with Wire(server.port, server.base_url, "http") as wire:
            server.publish("long", 1)
            subscription = sse.subscribe(f"{wire.url}sse/long", token=server.token)
            reader = threading.Thread(target=collect, args=(subscription, None, got), daemon=True)
            reader.start()
            wait_until(lambda: len(got) == 1, "the first event")
            wire.cut()
            server.publish("long", 2, 3)
            wire.mend()
            wait_until(lambda: len(got) == 3, "what came while the connection was cut")
            server.restart(signal.SIGKILL)
            server.publish("long", 4)
            wait_until(lambda: len(got) == 5, "the event of the server's second life", 60)
            server.client.delete("api/sse/streams/long")
            reader.join(TIMEOUT)
            assert not reader.is_alive()
    finally:
        server.stop()
    assert [event.event for event in got] == ["message", "message", "message", "sse.gap", "message"]
    gap = json.loads(got[3].data)
    assert (gap["reason"], gap["requested"], gap["lost"]["count"]) == ("epoch", got[2].id, None)
    assert [event.data for event in got if event.event == "message"] == ["1", "2", "3", "4"]
    assert subscription.end["reason"] == "stopped"


def test_events_that_are_no_longer_held_are_a_gap_with_their_number(small_history: JupyterServer, collect: Any) -> None:
    first = small_history.publish("evicting", *range(20))[0]
    subscription = sse.subscribe(f"{small_history.url}sse/evicting", token=small_history.token, last_event_id=first)
    gap, *events = collect(subscription, 6)
    assert (gap.event, json.loads(gap.data)["lost"]["count"]) == ("sse.gap", 14)
    assert [event.data for event in events] == ["15", "16", "17", "18", "19"]
    assert gap.id == first
    assert subscription.last_event_id == events[-1].id


@pytest.fixture(scope="module")
def small_history() -> Iterator[JupyterServer]:
    running = JupyterServer("--SSEApp.history_events=5", base_url="/user/ada/").start()
    yield running
    running.stop()


def test_end_of_one_of_several_streams_is_an_event_and_the_others_go_on(small_history: JupyterServer) -> None:
    small_history.publish("pair-a", 1)
    small_history.publish("pair-b", 2)
    url = f"{small_history.url}sse?stream=pair-a&stream=pair-b"
    events = iter(sse.subscribe(url, token=small_history.token))
    assert [next(events).event for _ in range(2)] == ["pair-a:message", "pair-b:message"]
    small_history.client.delete("api/sse/streams/pair-a")
    assert next(events).event == "sse.end"
    small_history.publish("pair-b", 3)
    assert next(events).data == "3"


def test_tls_is_trusted_by_the_context_that_is_given_and_refused_without(
    tls_server: JupyterServer, certificate: tuple, collect: Any
) -> None:
    tls_server.publish("encrypted", 1)
    url = f"{tls_server.url}sse/encrypted"
    with pytest.raises(LinkError, match=r"(?i)certificate"):
        collect(sse.subscribe(url, token=tls_server.token), 1)
    subscription = sse.subscribe(url, token=tls_server.token, ssl_context=certificate[2])
    assert [event.data for event in collect(subscription, 1)] == ["1"]


def test_reader_waits_at_least_the_reconnection_time_that_the_stream_told(collect: Any) -> None:
    with Scripted(f"{STREAM}retry: 400\ndata: 1\n\n", f"{STREAM}data: 2\n\n") as server:
        assert [event.data for event in collect(sse.subscribe(server.url), 2)] == ["1", "2"]
        assert server.requests[1][0] - server.requests[0][0] >= 0.4


def test_reader_asks_again_when_a_refusal_said_it_may(collect: Any) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with Scripted(
        f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n{NO_BODY}",
        f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {later}\r\n{NO_BODY}",
        f"{STREAM}data: 1\n\n",
    ) as server:
        assert collect(sse.subscribe(server.url), 1)[0].data == "1"
        assert server.requests[1][0] - server.requests[0][0] >= 1
        assert len(server.requests) == 3


def test_server_error_stops_a_newcomer_and_not_a_reader_that_comes_back(collect: Any) -> None:
    failing = f"HTTP/1.1 500 Internal Server Error\r\n{NO_BODY}"
    with Scripted(failing) as server, pytest.raises(LinkError, match="500"):
        collect(sse.subscribe(server.url), 1)
    with Scripted(f"{STREAM}retry: 20\ndata: 1\n\n", failing, f"{STREAM}data: 2\n\n") as server:
        assert [event.data for event in collect(sse.subscribe(server.url), 2)] == ["1", "2"]


def test_204_ends_the_iteration(collect: Any) -> None:
    over = "HTTP/1.1 204 No Content\r\n\r\n"
    with Scripted(f"{STREAM}retry: 20\nid: a\ndata: 1\n\n", over) as server:
        subscription = sse.subscribe(server.url)
        assert [event.data for event in collect(subscription)] == ["1"]
        assert server.header(1, "Last-Event-ID") == "a"
    assert subscription.end == {"reason": "done", "status": 204, "error": None}
    assert collect(subscription) == []


def test_end_of_the_stream_ends_the_iteration_though_the_connection_stays_open(collect: Any) -> None:
    def serve(connection: socket.socket) -> None:
        end = 'event: sse.end\nid: 0123456789a-end-1\ndata: {"reason": "done"}\n\n'
        connection.sendall(f"{STREAM}data: 1\n\n{end}".encode())
        # Until the reader closes it.
        while connection.recv(1000):
            pass

    with Scripted(serve) as server:
        subscription = sse.subscribe(server.url)
        assert [event.data for event in collect(subscription)] == ["1"]
        assert subscription.end == {"reason": "done"}


@pytest.mark.parametrize(("status", "kind"), [(404, UnknownStreamError), (429, LinkError), (503, LinkError)])
def test_refusal_that_came_too_late_to_be_the_status_is_raised_as_if_it_were(
    collect: Any, status: int, kind: type[Exception]
) -> None:
    end = {"reason": "refused", "status": status, "error": {"type": "HTTPError", "message": "not you"}}
    block = f"event: sse.end\nid: 0123456789a-end-1\ndata: {json.dumps(end)}\n\n"
    with Scripted(f"{STREAM}{block}") as server, pytest.raises(kind, match=rf"not you \(status {status}\)"):
        collect(sse.subscribe(server.url))
    with Scripted(f"{STREAM}data: 1\n\n{block}") as server:
        subscription = sse.subscribe(server.url)
        assert len(collect(subscription)) == 1
        assert subscription.end == end


def test_last_id_is_kept_through_connections_moved_by_a_bare_id_and_reset_by_an_empty_one(collect: Any) -> None:
    with Scripted(
        f"{STREAM}retry: 20\nid: a\ndata: 1\n\n",
        f"{STREAM}data: 2\n\nid: b\n\n",
        f"{STREAM}id\ndata: 3\n\n",
        f"{STREAM}data: 4\n\n",
    ) as server:
        events = collect(sse.subscribe(server.url, last_event_id="given"), 4)
        sent = [server.header(number, "Last-Event-ID") for number in range(4)]
    assert [(event.data, event.id) for event in events] == [("1", "a"), ("2", "a"), ("3", ""), ("4", "")]
    assert sent == ["given", "a", "b", None]


def test_events_that_were_read_but_not_taken_come_again_when_iteration_goes_on(collect: Any) -> None:
    with Scripted(f"{STREAM}id: 1\ndata: one\n\nid: 2\ndata: two\n\n", f"{STREAM}id: 2\ndata: two\n\n") as server:
        subscription = sse.subscribe(server.url)
        assert collect(subscription, 1)[0].data == "one"
        assert collect(subscription, 1)[0].data == "two"
        assert server.header(1, "Last-Event-ID") == "1"


def test_silent_connection_is_made_again(collect: Any) -> None:
    def silence(connection: socket.socket) -> None:
        connection.sendall(f"{STREAM}retry: 20\ndata: 1\n\n".encode())
        connection.settimeout(TIMEOUT)
        while connection.recv(1000):
            pass

    with Scripted(silence, f"{STREAM}data: 2\n\n") as server:
        events = collect(sse.subscribe(server.url, silence_timeout=0.2), 2)
    assert [event.data for event in events] == ["1", "2"]


def test_redirection_is_followed_and_takes_token_and_headers_to_no_other_server(collect: Any) -> None:
    with Scripted(f"{STREAM}data: 1\n\n") as other:
        moved = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}\r\n{NO_BODY}"
        here = f"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n{NO_BODY}"
        with Scripted(here, moved) as server:
            subscription = sse.subscribe(server.url, token="secret", headers={"X-Key": "hidden"}, last_event_id="a")
            assert collect(subscription, 1)[0].data == "1"
            assert [server.header(number, "Authorization") for number in (0, 1)] == ["Bearer secret"] * 2
            assert server.header(1, "X-Key") == "hidden"
        assert other.header(0, "Authorization") is None
        assert other.header(0, "X-Key") is None
        assert other.header(0, "Last-Event-ID") == "a"


def test_redirection_without_end_is_an_error(collect: Any) -> None:
    with (
        Scripted(f"HTTP/1.1 302 Found\r\nLocation: /stream\r\n{NO_BODY}") as server,
        pytest.raises(LinkError, match="redirect"),
    ):
        collect(sse.subscribe(server.url), 1)


def test_event_of_any_size_is_read_where_it_is_expected(collect: Any) -> None:
    with Scripted(f"{STREAM}data: {'x' * 2_000_000}\n\n") as server:
        with pytest.raises(DecodeError):
            collect(sse.subscribe(server.url), 1)
        assert len(collect(sse.subscribe(server.url, max_event_bytes=3_000_000), 1)[0].data) == 2_000_000


def test_stream_that_goes_while_the_reader_is_away_is_an_error_of_its_own(collect: Any) -> None:
    gone = f"HTTP/1.1 404 Not Found\r\n{NO_BODY}"
    with Scripted(f"{STREAM}retry: 20\ndata: 1\n\n", gone) as server, pytest.raises(UnknownStreamError):
        collect(sse.subscribe(server.url), 2)


@pytest.mark.parametrize("wrong", ["a\nb", "a\rb", "a\0"])
def test_id_that_no_event_can_have_is_refused_at_once(wrong: str) -> None:
    with pytest.raises(ValueError, match="last_event_id: expected one line"):
        sse.subscribe("http://127.0.0.1:9/", last_event_id=wrong)


def test_address_that_is_none_is_an_error_that_shows_it(collect: Any) -> None:
    with pytest.raises(LinkError, match="got 'http://127.0.0.1:port/'"):
        collect(sse.subscribe("http://127.0.0.1:port/"), 1)


def test_reading_an_address_loads_no_jupyter(server: JupyterServer) -> None:
    server.publish("alone", 1)
    code = (
        "import sys, jupyter_sse as sse\n"
        "print(next(iter(sse.subscribe(sys.argv[1], token=sys.argv[2]))).data)\n"
        "print([name for name in ('IPython', 'ipykernel', 'jupyter_server', 'tornado', 'ipywidgets', 'traitlets')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, f"{server.url}sse/alone", server.token]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "1\n[]\n"


class TestPauses:
    def test_are_never_shorter_than_the_server_told_and_differ(self) -> None:
        reconnection = Reconnection()
        reconnection.tell(3_000)
        pauses = {reconnection.next_pause() for _ in range(100)}
        assert len(pauses) > 50
        assert min(pauses) >= 3
        assert max(pauses) <= 4.5

    def test_grow_with_each_failure_up_to_a_bound(self) -> None:
        reconnection = Reconnection()
        reconnection.tell(1_000)
        longest = []
        for _ in range(12):
            reconnection.settle(has_events=False, seconds=0.1)
            longest.append(max(reconnection.next_pause() for _ in range(50)))
        assert longest[0] <= 1.5
        assert longest[0] < longest[2] < longest[4]
        assert max(longest) <= LONGEST_PAUSE * 1.5

    def test_are_as_long_as_the_server_told_also_beyond_that_bound(self) -> None:
        reconnection = Reconnection()
        reconnection.tell(600_000)
        reconnection.settle(has_events=False, seconds=0)
        assert reconnection.next_pause() >= 600

    @pytest.mark.parametrize(("has_events", "seconds"), [(True, 0.0), (False, SETTLED_AFTER)])
    def test_begin_anew_after_a_connection_that_was_good(self, has_events: bool, seconds: float) -> None:
        reconnection = Reconnection()
        for _ in range(5):
            reconnection.settle(has_events=False, seconds=0)
        reconnection.settle(has_events=has_events, seconds=seconds)
        assert reconnection.failures == 0

    def test_follow_a_refusal_once(self) -> None:
        reconnection = Reconnection()
        reconnection.tell(100)
        reconnection.ask(7)
        assert reconnection.next_pause() >= 7
        assert reconnection.next_pause() < 1

    def test_are_never_nothing(self) -> None:
        reconnection = Reconnection()
        reconnection.tell(0)
        assert reconnection.next_pause() > 0


class TestSubscribeByAddress:
    """Over HTTP, from a real server."""

    def test_a_connection_that_breaks_is_made_again_and_loses_nothing(self) -> None:
        running = JupyterServer("--SSEApp.max_stream_age=1", "--SSEApp.reconnection_time=50").start()
        try:
            running.publish("broken", 0)
            got: list[str] = []
            subscription = sse.subscribe(f"{running.url}sse/broken", token=running.token)
            reader = threading.Thread(target=lambda: got.extend(event.data for event in subscription), daemon=True)
            reader.start()
            for i in range(1, 40):
                running.publish("broken", i)
                wait_until(lambda i=i: len(got) == i + 1, f"event {i}")
                # Two connections' lives, and some.
                threading.Event().wait(0.06)
            assert got == [str(i) for i in range(40)]
            running.client.delete("api/sse/streams/broken")
            reader.join(30)
            assert not reader.is_alive()
        finally:
            running.stop()

    async def test_async_iteration_over_an_address(self, server: JupyterServer) -> None:
        server.publish("addressed", 1, 2, 3)
        server.client.delete("api/sse/streams/addressed")
        subscription = sse.subscribe(f"{server.url}sse/addressed", token=server.token)
        assert [event.data async for event in subscription] == ["1", "2", "3"]

    def test_goes_on_after_an_id_of_any_text(self, server: JupyterServer) -> None:
        for text in ("grün", "日本", "a\u2028b"):
            server.publish("any-id", {"data": 1, "id": text}, {"data": 2})
            subscription = sse.subscribe(f"{server.url}sse/any-id", token=server.token, last_event_id=text)
            assert next(iter(subscription)).data == "2"

    @pytest.mark.parametrize("data", ["x", "[]", "5", "[" * 100_000])
    def test_another_servers_own_type_is_an_event_and_no_end(self, data: str) -> None:
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: sse.end\ndata: {data}\n\n"
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve() -> None:
                with listening.accept()[0] as connection:
                    connection.recv(65_536)
                    connection.sendall(answer.encode())

            threading.Thread(target=serve, daemon=True).start()
            subscription = sse.subscribe(f"http://127.0.0.1:{listening.getsockname()[1]}/")
            assert next(iter(subscription)).data == data
            assert subscription.end is None

    @pytest.mark.parametrize("is_async", [False, True])
    def test_of_a_refusal_no_more_is_read_than_its_message_needs(self, is_async: bool) -> None:
        sent = []
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve() -> None:
                with listening.accept()[0] as connection, contextlib.suppress(ConnectionError):
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n")
                    while len(sent) < 1_000:
                        connection.sendall(b"x" * 100_000)
                        sent.append(1)

            server = threading.Thread(target=serve, daemon=True)
            server.start()
            events = sse.subscribe(f"http://127.0.0.1:{listening.getsockname()[1]}/")
            with pytest.raises(LinkError, match="Forbidden"):
                asyncio.run(anext(aiter(events))) if is_async else next(iter(events))
            server.join(30)
        # The rest is what lay in buffers on the way.
        assert len(sent) < 200

    def test_what_cannot_be_read_is_an_error(self, server: JupyterServer) -> None:
        with pytest.raises(UnknownStreamError):
            next(iter(sse.subscribe(f"{server.url}sse/nothing-here", token=server.token)))
        with pytest.raises(sse.SSEError, match="40[13]"):
            next(iter(sse.subscribe(f"{server.url}sse/nothing-here", token="wrong")))
        with pytest.raises(sse.SSEError, match="text/event-stream"):
            next(iter(sse.subscribe(f"{server.url}api/status", token=server.token)))
        with pytest.raises(sse.SSEError, match="cannot be reached"):
            next(iter(sse.subscribe("http://127.0.0.1:9/sse/x")))
