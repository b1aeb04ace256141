"""``jupyter_sse.testing``, and every block of ``docs/testing.md`` as a file of its own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from running_server import TIMEOUT, wait_until

import jupyter_sse as sse
from jupyter_sse.client import current_client
from jupyter_sse.server import EventStreamHandler
from jupyter_sse.testing import TooFewEventsError, acollect, collect, hub, serve

if TYPE_CHECKING:
    from running_server import JupyterServer

BLOCKS = re.findall(
    r"^```python\n(.*?)^```$",
    (Path(__file__).parent.parent / "docs" / "testing.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_block_of_the_page_passes_as_it_stands(server: JupyterServer, tmp_path: Path, block: str) -> None:
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "test_page.py").write_text(block)
    environment = {**os.environ, "SERVER": server.url.rstrip("/"), "TOKEN": server.token}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    promised = len(re.findall(r"^(?:async )?def test_", block, re.MULTILINE))
    assert promised
    assert re.search(rf"\b{promised} passed", done.stdout), done.stdout + done.stderr


def forever() -> Any:
    while True:
        yield "x"
        time.sleep(0.01)


class TestCollect:
    def test_plain_generator_that_blocks_is_given_up_in_time_and_closed_at_its_next_yield(self) -> None:
        may_go_on, closed = threading.Event(), threading.Event()

        def blocking() -> Any:
            try:
                yield 1
                may_go_on.wait()
                yield 2
            finally:
                closed.set()

        with pytest.raises(TooFewEventsError) as caught:
            collect(blocking, 2, timeout=0.1)
        assert [event.data for event in caught.value.events] == ["1"]
        may_go_on.set()
        assert closed.wait(TIMEOUT)

    def test_what_the_generator_raises_is_raised(self) -> None:
        def failing() -> Any:
            yield 1
            raise KeyError("mine")

        async def failing_async() -> Any:
            yield 1
            raise TimeoutError("mine too")

        with pytest.raises(KeyError, match="mine"):
            collect(failing)
        with pytest.raises(TimeoutError, match="mine too") as caught:
            collect(failing_async)
        assert not isinstance(caught.value, TooFewEventsError)

    def test_refused_value_is_raised_at_the_line_that_yielded_and_may_be_caught_there(self) -> None:
        def careful() -> Any:
            try:
                yield b"bytes"
            except sse.SSEError:
                yield "caught"

        async def careful_async() -> Any:
            for value in careful():
                try:
                    yield value
                except sse.SSEError:
                    yield "caught"

        assert [event.data for event in collect(careful)] == ["caught"]
        assert [event.data for event in collect(careful_async)] == ["caught"]
        with pytest.raises(sse.SSEError):
            collect([b"bytes"])

    def test_source_that_ends_early_gives_what_there_is(self) -> None:
        assert [event.data for event in collect(["one", {"two": 2}], 5)] == ["one", '{"two":2}']

    def test_event_without_an_id_has_the_last_one_as_readers_have_it(self) -> None:
        assert [event.id for event in collect([{"data": 1, "id": "a"}, 2])] == ["a", "a"]

    def test_no_more_is_taken_than_was_asked_for(self) -> None:
        taken = []

        def counted() -> Any:
            for number in range(10):
                taken.append(number)
                yield number

        assert len(collect(counted, 3)) == 3
        assert taken == [0, 1, 2]
        assert collect(counted, 0) == []

    @pytest.mark.parametrize("source", [5, None, lambda: 5])
    def test_source_that_is_none_is_refused(self, source: Any) -> None:
        with pytest.raises(TypeError, match="expected a generator, a name, an address or an iterable"):
            collect(source)

    async def test_within_a_loop_it_says_what_to_call_instead(self) -> None:
        with pytest.raises(RuntimeError, match="await acollect"):
            collect(forever, 1)
        assert len(await acollect(forever, 2)) == 2

    async def test_async_generator_runs_in_the_loop_of_the_test(self) -> None:
        loop = asyncio.get_running_loop()

        async def where() -> Any:
            yield asyncio.get_running_loop() is loop

        assert [event.data for event in await acollect(where)] == ["true"]


class TestHub:
    def test_stands_in_the_place_of_the_processs_own_client_and_gives_it_back(self) -> None:
        before, environment = current_client(), dict(os.environ)
        with hub():
            assert current_client() is not before
            sse.stream("only-here").send(1)
        assert current_client() is before
        assert dict(os.environ) == environment

    def test_runs_are_stopped_at_its_end_and_their_finally_has_run(self) -> None:
        closed = []
        with hub() as here:

            @sse.broadcast("endless")
            def endless() -> Any:
                try:
                    yield from forever()
                finally:
                    closed.append(True)

            assert len(collect(endless, 2)) == 2
            assert here.streams()[0]["state"] == "live"
        assert closed == [True]

    def test_names_of_one_are_unknown_to_the_next(self) -> None:
        with hub() as here:
            sse.stream("mine").send(1)
            assert here.stream("mine")["events"] == 1
        with hub() as here:
            assert here.streams() == []
            with pytest.raises(LookupError):
                here.stream("mine")

    def test_says_nothing_of_a_missing_server(self, capsys: pytest.CaptureFixture[str]) -> None:
        with hub():
            sse.stream("quiet").send(1)
        assert capsys.readouterr() == ("", "")

    def test_ignores_the_jupyter_server_around_it(self, server: JupyterServer) -> None:
        code = (
            "import jupyter_sse as sse\nfrom jupyter_sse.testing import collect, hub\n"
            "with hub():\n    sse.stream('inside-the-hub').send(1)\n    print(collect('inside-the-hub', 1)[0].data)"
        )
        environment = {**os.environ, "JUPYTER_SSE_LINK": f"{server.process.pid}:{server.link_path}"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == "1\n"
        assert server.client.get("api/sse/streams/inside-the-hub").status_code == 404


class TestServe:
    def test_generators_are_ended_with_it(self) -> None:
        ended = []

        class Lasting(EventStreamHandler):
            async def events(self) -> Any:
                try:
                    yield "first"
                    await asyncio.sleep(3600)
                finally:
                    ended.append(True)

        with serve([("/", Lasting)]) as url, httpx.stream("GET", url) as response:
            chunks = response.iter_raw()
            wait_until(lambda: b"first" in next(chunks), "the first event")
        assert ended == [True]

    def test_two_serve_at_the_same_time(self) -> None:
        class Word(EventStreamHandler):
            async def events(self) -> Any:
                yield self.request.host

        with serve([("/", Word)]) as one, serve([("/", Word)]) as other:
            assert one != other
            assert [collect(url)[0].data in url for url in (one, other)] == [True, True]


def test_testing_loads_neither_tornado_nor_pytest() -> None:
    code = (
        "import sys, jupyter_sse.testing\n"
        "print([name for name in ('tornado', 'pytest', 'IPython', 'jupyter_server') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
