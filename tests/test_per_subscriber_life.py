"""The life of a reader's own run: disconnects, ends, replacement, and what runs afterwards whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from running_kernel import LoneKernel, ServedKernel
from running_server import JupyterServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORTS = "%load_ext jupyter_sse\nimport jupyter_sse as sse, asyncio, os, time\nseen = []"


@pytest.fixture(scope="module", params=["server", "portable_server"])
def cells(request: pytest.FixtureRequest) -> Iterator[ServedKernel]:
    """A kernel for the tests of this file; each uses routes of its own."""
    with ServedKernel(request.getfixturevalue(request.param), "visits.ipynb") as kernel:
        kernel.good(IMPORTS)
        yield kernel


def end_of(cells: ServedKernel, address: str) -> dict[str, Any]:
    with cells.server.read(address) as reader:
        return json.loads(reader.until("sse.end")[-1].data)


RESTING = {
    "awaits": ("async ", "await asyncio.sleep(3600)"),
    "computes": ("", "while True:\n            pass"),
    "yields": ("async ", "while True:\n            yield 2\n            await asyncio.sleep(0.05)"),
    "yields plainly": ("", "while True:\n            yield 2\n            time.sleep(0.05)"),
    "waits for credit": ("async ", "while True:\n            yield 'x' * 1000"),
    "waits for credit plainly": ("", "while True:\n            yield 'x' * 1000"),
}


class TestDisconnect:
    @pytest.mark.alone
    @pytest.mark.parametrize("rests", RESTING)
    def test_finally_runs_within_a_second_of_a_disconnect(self, cells: ServedKernel, rests: str):
        keyword, code = RESTING[rests]
        name = f"left/{rests.replace(' ', '-')}"
        cells.good(
            f"gone = []\n@sse.per_subscriber({name!r})\n{keyword}def left():\n"
            f"    try:\n        yield 1\n        {code}\n    finally:\n        gone.append(time.time())"
        )
        with cells.server.read(f"sse/{name}") as reader:
            assert reader.take(1)[0].data == "1"
        left_at = time.time()
        cells.wait("gone")
        assert cells.value("gone[0]") - left_at < 1
        cells.wait("not left.visits")

    def test_an_async_finally_may_await(self, cells: ServedKernel):
        cells.good(
            "gone = []\n@sse.per_subscriber('tidy')\nasync def tidy():\n"
            "    try:\n        yield 1\n        await asyncio.sleep(3600)\n"
            "    finally:\n        await asyncio.sleep(0.3)\n        gone.append(1)"
        )
        with cells.server.read("sse/tidy") as reader:
            reader.take(1)
        cells.wait("gone")

    def test_a_plain_generator_that_sleeps_is_stopped_at_its_next_line(self, cells: ServedKernel):
        cells.good(
            "gone = []\n@sse.per_subscriber('sleeps')\ndef sleeps():\n"
            "    try:\n        yield 1\n        time.sleep(1.5)\n        gone.append('not reached')\n"
            "    finally:\n        gone.append('finally')"
        )
        with cells.server.read("sse/sleeps") as reader:
            reader.take(1)
        cells.wait("gone")
        assert cells.value("gone") == ["finally"]

    def test_what_is_yielded_after_the_reader_has_left_is_explained(self, cells: ServedKernel):
        cell = cells.good(
            "@sse.per_subscriber('last-words')\nasync def last_words():\n"
            "    while True:\n"
            "        try:\n            yield 1\n            await asyncio.sleep(0.01)\n"
            "        except GeneratorExit:\n            yield 'bye'"
        )
        with cells.server.read("sse/last-words") as reader:
            reader.take(3)
        cell.wait(lambda cell: "nobody gets what is yielded then" in cell.error, "the hint", timeout=10)


ENDINGS = {
    "done": ("yield 1", "done"),
    "error": ("yield 1\n    1 / 0", "error"),
    "refused": ("raise sse.HTTPError(403)\n    yield", "refused"),
    "disconnect": ("yield 1\n    await asyncio.sleep(3600)", None),
}


class TestBackground:
    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("keyword", ["", "async "])
    @pytest.mark.parametrize("background", ["", "async "])
    def test_it_runs_after_the_stream_in_every_ending(
        self, cells: ServedKernel, ending: str, keyword: str, background: str
    ):
        body, reason = ENDINGS[ending]
        name = f"bg/{ending}/{keyword.strip() or 'plain'}/{background.strip() or 'plain'}"
        pause = "await asyncio.sleep(0.05)" if background else "time.sleep(0.05)"
        if not keyword:
            body = body.replace("await asyncio.sleep(3600)", "while True: time.sleep(0.01)")
        cells.good(
            f"order = []\n{background}def cleanup(name, request):\n    {pause}\n"
            "    order.append((name, request.path.split('/')[-1]))\n"
            f"@sse.per_subscriber({name + '/{name}'!r}, background=cleanup)\n"
            f"{keyword}def ends(name):\n"
            "    order.append('begins')\n    try:\n" + "\n".join(f"    {line}" for line in f"    {body}".splitlines())
            + "\n    finally:\n        order.append('finally')"
        )  # fmt: skip
        if ending == "refused":
            assert cells.server.client.get(f"sse/{name}/x").status_code == 403
        elif reason is None:
            with cells.server.read(f"sse/{name}/x") as reader:
                reader.take(1)
        else:
            assert end_of(cells, f"sse/{name}/x")["reason"] == reason
        cells.wait("len(order) == 3")
        assert cells.value("order") == ["begins", "finally", ("x", "x")]

    def test_it_does_not_run_for_a_reader_whose_generator_was_never_made(self, cells: ServedKernel):
        cells.good(
            "cleaned = []\n@sse.per_subscriber('never/{n}', background=lambda n: cleaned.append(n))\n"
            "def never(n: int):\n    yield n"
        )
        assert cells.server.client.get("sse/never/x").status_code == 400
        assert end_of(cells, "sse/never/1")["reason"] == "done"
        cells.wait("cleaned == [1]")

    def test_its_error_is_shown_in_the_cell(self, cells: ServedKernel):
        cell = cells.good(
            "def broken():\n    raise KeyError('in the background')\n"
            "@sse.per_subscriber('bg-fails', background=broken)\nasync def bg_fails():\n    yield 1"
        )
        assert end_of(cells, "sse/bg-fails")["reason"] == "done"
        cell.wait(lambda cell: "in the background" in cell.error, "the traceback")

    def test_it_does_not_stall_other_readers(self, cells: ServedKernel):
        cells.good(
            "import threading\ngo = threading.Event()\n"
            "@sse.per_subscriber('bg-slow/{n}', background=lambda: go.wait(30))\nasync def bg_slow(n):\n    yield n"
        )
        assert end_of(cells, "sse/bg-slow/1")["reason"] == "done"
        assert end_of(cells, "sse/bg-slow/2")["reason"] == "done"
        cells.good("go.set()")


class TestReplacement:
    def test_running_the_cell_again_gives_those_who_read_a_run_of_the_new_function(self, cells: ServedKernel):
        code = (
            "@sse.per_subscriber('again/{{name}}')\nasync def again({name}):\n"
            "    try:\n        yield '{version}'\n        await asyncio.sleep(3600)\n"
            "    finally:\n        seen.append('{version}')"
        )
        cells.good("seen.clear()")
        cells.good(code.format(name="name", version="old"), "again-cell")
        with cells.server.read("sse/again/ada") as reader:
            assert reader.take(1)[0].data == "old"
            cells.good(code.format(name="name", version="new"), "again-cell")
            assert [(event.event, event.data) for event in reader.take(1)] == [("message", "new")]
            assert cells.value("seen") == ["old"]
            assert cells.value("len(again.visits)") == 1
        cells.wait("seen == ['old', 'new']")

    def test_a_cell_that_no_longer_defines_the_route_ends_it(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('dropped')\nasync def dropped():\n    yield 1\n    await asyncio.sleep(99)", "d"
        )
        with cells.server.read("sse/dropped") as reader:
            reader.take(1)
            cells.good("1 + 1", "d")
            assert json.loads(reader.until("sse.end")[-1].data)["reason"] == "stopped"
        assert cells.server.client.get("sse/dropped").status_code == 404

    def test_stop_ends_all_runs_and_the_route(self, cells: ServedKernel):
        cells.good(
            "gone = []\n@sse.per_subscriber('stops/{n}')\nasync def stops(n):\n"
            "    try:\n        yield n\n        await asyncio.sleep(3600)\n    finally:\n        gone.append(n)"
        )
        with cells.server.read("sse/stops/1") as one, cells.server.read("sse/stops/2") as two:
            for reader in (one, two):
                reader.take(1)
            cells.good("stops.stop()")
            assert cells.value("sorted(gone)") == ["1", "2"]
            for reader in (one, two):
                assert json.loads(reader.until("sse.end")[-1].data)["reason"] == "stopped"
        assert cells.server.client.get("sse/stops/1").status_code == 404
        assert cells.value("(stops.is_open, stops.visits)") == (False, ())
        # Calling it opens the route again.
        cells.good("stops()")
        with cells.server.read("sse/stops/3") as reader:
            assert reader.take(1)[0].data == "3"

    def test_another_kernel_cannot_have_the_same_route(self, cells: ServedKernel):
        code = "@sse.per_subscriber('taken/{n}')\ndef taken(n):\n    yield n"
        cells.good(code)
        with ServedKernel(cells.server, "other.ipynb") as other:
            other.good(IMPORTS)
            cell = other.run(code)
            assert "OwnedError" in cell.error
            assert "visits.ipynb" in cell.error


class TestProcesses:
    CODE = (
        "def note(text):\n    with open({path!r}, 'a') as file:\n        file.write(text + '\\n')\n"
        "async def after():\n    note('async background')\n"
        "@sse.per_subscriber('a/{{n}}', background=after)\nasync def a(n):\n"
        "    try:\n        yield n\n        await asyncio.sleep(3600)\n    finally:\n        note('async finally')\n"
        "@sse.per_subscriber('b/{{n}}', background=lambda: note('plain background'))\ndef b(n):\n"
        "    try:\n        while True:\n            yield n\n            time.sleep(0.05)\n"
        "    finally:\n        note('plain finally')\n"
        "@sse.per_subscriber('c/{{n}}', background=lambda: note('plain after async'))\nasync def c(n):\n"
        "    yield n\n    await asyncio.sleep(3600)"
    )

    def test_the_end_of_the_kernel_runs_finally_and_background(self, cells: ServedKernel, tmp_path: Path):
        path = tmp_path / "notes"
        with ServedKernel(cells.server, "ends.ipynb") as kernel:
            kernel.good(IMPORTS + "\n" + self.CODE.format(path=str(path)))
            addresses = ("sse/a/1", "sse/b/1", "sse/c/1")
            readers = [cells.server.read(address) for address in addresses]
            for reader in readers:
                reader.__enter__().take(1)
            cells.server.client.delete(f"api/kernels/{kernel.id}")
            for reader in readers:
                assert json.loads(reader.until("sse.end")[-1].data)["reason"] == "stopped"
                reader.__exit__(None, None, None)
        wait_until(
            lambda: (
                sorted(path.read_text().splitlines())
                == ["async background", "async finally", "plain after async", "plain background", "plain finally"]
            ),
            "all is cleaned up",
        )

    def test_a_kernel_that_is_killed_ends_all_with_reason_lost(self, cells: ServedKernel):
        with ServedKernel(cells.server, "killed.ipynb") as kernel:
            kernel.good(IMPORTS)
            kernel.good("@sse.per_subscriber('lost/{n}')\nasync def lost(n):\n    yield n\n    await asyncio.sleep(99)")
            with cells.server.read("sse/lost/1") as one, cells.server.read("sse/lost/2") as two:
                for reader in (one, two):
                    reader.take(1)
                os.kill(kernel.value("os.getpid()"), signal.SIGKILL)
                for reader in (one, two):
                    assert json.loads(reader.until("sse.end")[-1].data)["reason"] == "lost"

    def test_without_a_server_the_same_process_reads_it(self):
        with LoneKernel() as kernel:
            kernel.good(IMPORTS)
            kernel.good(
                "@sse.per_subscriber('alone/{n}')\nasync def alone(n: int, request):\n"
                "    for i in range(n):\n        yield i"
            )
            assert kernel.value("[event.data for event in sse.subscribe('alone/3')]") == ["0", "1", "2"]
            cell = kernel.run("reading = sse.subscribe('alone/x')\nlist(reading)")
            assert "LinkError: The stream cannot be read: n: expected an integer, got 'x' (status 400)" in cell.error
            assert kernel.value("(reading.end['reason'], reading.end['status'])") == ("refused", 400)
            # A generator that says 404 is no stream that may come yet.
            kernel.good("@sse.per_subscriber('nowhere')\ndef nowhere():\n    raise sse.HTTPError(404)\n    yield")
            cell = kernel.run("reading = sse.subscribe('nowhere')\nlist(reading)")
            assert "UnknownStreamError: The stream cannot be read: " in cell.error
            assert kernel.value("(reading.end['reason'], reading.end['status'])") == ("refused", 404)


def test_a_server_that_is_started_anew_has_the_routes_and_none_of_the_runs():
    program = (
        "import asyncio, sys\nimport jupyter_sse as sse\n"
        "@sse.per_subscriber('kept/{n}')\nasync def kept(n):\n"
        "    try:\n        yield n\n        await asyncio.sleep(99)\n"
        "    finally:\n        print('gone', n, flush=True)\n"
        "print('open', flush=True)\nsys.stdin.read()"
    )
    server = JupyterServer().start()
    path = server.link_path
    environment = {**server.process_environment(), "JUPYTER_SSE_LINK": f"{server.process.pid}:{path}"}
    kernel = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert kernel.stdout.readline() == "open\n"
        client = server.make_client(headers={"Authorization": f"token {server.token}"})
        with client, server.read("sse/kept/1", client) as reader:
            assert reader.take(1)[0].data == "1"
            server.end(signal.SIGKILL)
        again = JupyterServer(f"--SSEApp.link_path={path}", folder=server.folder).start()
        try:
            wait_until(lambda: again.client.get("api/sse/routes").json(), "the route is there again")
            assert kernel.stdout.readline() == "gone 1\n"
            with again.read("sse/kept/2") as reader:
                assert reader.take(1)[0].data == "2"
            assert kernel.stdout.readline() == "gone 2\n"
        finally:
            kernel.stdin.close()
            kernel.wait(30)
            again.end(signal.SIGTERM)
    finally:
        kernel.kill()
        server.stop()
