"""Kernels of a real Jupyter server: what a cell yields, and who reads it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from curl import Curl
from running_kernel import MIME_TYPE, ServedKernel
from running_server import JupyterServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cells(server: JupyterServer) -> Iterator[ServedKernel]:
    """A kernel for the tests of this file; each uses streams of its own."""
    with ServedKernel(server, "first notebook.ipynb") as kernel:
        kernel.good("%load_ext jupyter_sse\nimport jupyter_sse as sse, time, asyncio")
        yield kernel


def stream_of(server: JupyterServer, name: str) -> dict[str, Any]:
    answer = server.client.get(f"api/sse/streams/{name}")
    return answer.json() if answer.status_code == 200 else {}


def wait_for_state(server: JupyterServer, name: str, state: str, timeout: float = 30) -> dict[str, Any]:
    return wait_until(
        lambda: (found := stream_of(server, name)).get("state") == state and found, f"{name} is {state}", timeout
    )


def test_a_cells_stream_is_named_by_notebook_and_cell(server: JupyterServer, cells: ServedKernel) -> None:
    bundle = cells.good("yield {'loss': 1.5}", "3f2a-cell").displays[0]
    assert bundle[MIME_TYPE]["stream"] == "first-notebook/3f2a-cell"
    assert bundle[MIME_TYPE]["version"] == 1
    assert bundle[MIME_TYPE]["run"] == 1
    assert re.fullmatch(r"cell \d+", bundle[MIME_TYPE]["origin"])
    assert set(bundle[MIME_TYPE]["view"]) == {"kind", "x", "y", "window"}
    assert stream_of(server, "first-notebook/3f2a-cell")["producer"]["label"] == "first notebook.ipynb"


def test_the_stream_is_there_when_the_cell_returns(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("%%sse there\nyield 1")
    assert stream_of(server, "there")["run"] == 1
    cells.good("sse.stream('there-sent')")
    assert stream_of(server, "there-sent")["kind"] == "send"
    cells.good("@sse.broadcast('there-shared')\ndef shared():\n    yield 1")
    assert stream_of(server, "there-shared")["run"] == 1


def test_options_reach_the_server(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good(
        "%%sse options --view table --x step --y a,b --window 60s --history 3 --ping-interval 0.5\nyield 1\nyield 2"
    )
    options = stream_of(server, "options")["options"]
    assert options["view"] == {"kind": "table", "x": "step", "y": ["a", "b"], "window": "60s"}
    assert options["history"]["events"] == 3
    assert options["ping_interval"] == 0.5
    assert options["origin"].startswith("cell ")


def test_every_reader_gets_the_same_bytes(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("%%sse same\nfor i in range(200):\n    yield {'i': i, 'text': 'a\\nb'}\n    time.sleep(0.002)")
    read = "[(event.id, event.event, event.data) for event in sse.subscribe('same')]"
    with server.read("sse/same") as reader, ServedKernel(server, "other.ipynb") as other:
        other.good("import jupyter_sse as sse")
        by_kernel = other.value(read)
        other.good(
            "got = []\nasync for event in sse.subscribe('same'):\n    got.append((event.id, event.event, event.data))"
        )
        by_async = other.value("got")
        by_http = [(event.id, event.event, event.data) for event in reader.until("sse.end")[:-1]]
    assert len(by_http) == 200
    assert by_kernel == by_http
    assert by_async == by_http


def test_a_kernel_subscribes_to_an_address_with_the_streams_token(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("%%sse by-address\nfor i in range(3):\n    yield i")
    printed = cells.good("%sse url by-address").stdout
    header, url = re.fullmatch(r"curl -N -H @(\S+) (\S+)\n", printed).groups()
    token = Path(header).read_text().removeprefix("Authorization: Bearer ").strip()
    assert cells.value(f"[event.data for event in sse.subscribe({url!r}, token={token!r})]") == ["0", "1", "2"]
    cell = cells.run(f"list(sse.subscribe({url!r}, token='sse_wrong'))")
    assert "LinkError" in cell.error


def test_the_printed_curl_command_works_and_its_token_is_nobody_elses(
    server: JupyterServer, cells: ServedKernel
) -> None:
    cells.good("%%sse curled\nfor i in range(3):\n    yield {'i': i}")
    cell = cells.good("%sse url curled")
    command = shlex.split(cell.stdout)
    header = Path(command[command.index("-H") + 1].removeprefix("@"))
    assert stat.S_IMODE(header.stat().st_mode) == 0o600
    assert "sse_" not in cell.stdout
    assert header.read_text().strip() not in server.log()
    got = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert [line for line in got.splitlines() if line.startswith("data:")][:3] == [
        'data: {"i":0}',
        'data: {"i":1}',
        'data: {"i":2}',
    ]


def test_tokens_are_taken_back_by_the_stream_itself(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("shared = sse.stream('shared')\nshared.send(1)")
    command = cells.good("%sse url shared").stdout
    assert stream_of(server, "shared")["tokens"] == 1
    with Curl(command.strip()) as curl:
        curl.wait_for(1)
        assert cells.value("shared.revoke_tokens()") == 1
        curl.wait_for_end()
    assert (stream_of(server, "shared")["tokens"], cells.value("shared.revoke_tokens()")) == (0, 0)
    assert "UnknownStreamError" in str(cells.run("sse.Stream('not-there').revoke_tokens()").error)


def test_names_that_look_alike_have_header_files_of_their_own(cells: ServedKernel) -> None:
    headers = []
    for name in ("alike/a", "alike-a"):
        cells.good(f"sse.stream({name!r}).send(1)")
        headers.append(shlex.split(cells.good(f"%sse url {name}").stdout)[3])
    assert headers[0] != headers[1]


def test_url_and_stop_of_an_unknown_stream_say_so(cells: ServedKernel) -> None:
    for command in ("url", "stop", "view"):
        assert "UsageError" in cells.run(f"%sse {command} not-there").stderr


def test_another_kernel_is_told_who_owns_a_run(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("%%sse owned\nwhile True:\n    yield 1\n    time.sleep(0.05)")
    with ServedKernel(server, "thief.ipynb") as other:
        other.good("%load_ext jupyter_sse\nimport jupyter_sse as sse")
        cell = other.run("%%sse owned\nyield 2")
        assert "OwnedError" in cell.error
        assert "first notebook.ipynb" in cell.error
        assert cell.displays == []
        assert "OwnedError" in other.run("sse.stream('owned').send(1)").error
        assert stream_of(server, "owned")["state"] == "live"
        # It may read the stream, and stop it.
        assert other.value("next(iter(sse.subscribe('owned'))).data") == "1"
        other.good("%sse stop owned")
    assert wait_for_state(server, "owned", "ended")["end"]["reason"] == "stopped"


def test_a_stop_from_the_page_runs_finally(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("stopped = []")
    cells.good(
        "%%sse page\ntry:\n    while True:\n        yield 1\n        time.sleep(0.02)\nfinally:\n    stopped.append(1)"
    )
    assert server.client.delete("api/sse/streams/page").status_code in (200, 204)
    assert wait_for_state(server, "page", "ended")["end"]["reason"] == "stopped"
    assert cells.value("stopped") == [1]


def test_a_stop_from_the_page_ends_a_sent_stream(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("sent = sse.stream('page-sent')\nsent.send(1)\nsent.flush()")
    server.client.delete("api/sse/streams/page-sent")
    wait_for_state(server, "page-sent", "ended")
    assert "StreamEndedError" in cells.run("sent.send(2)").error
    cells.good("sent = sse.stream('page-sent')\nsent.send(3)\nsent.flush()")
    assert stream_of(server, "page-sent")["run"] == 2


def test_sending_to_a_cells_stream_joins_its_run(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("%%sse joined --view log\nyield 'cell'\ntime.sleep(0.7)")
    cells.good("sse.stream('joined').send('sent')\nsse.stream('joined').flush()")
    found = stream_of(server, "joined")
    assert found["run"] == 1
    assert found["events"] == 2
    assert found["options"]["view"]["kind"] == "log"


def test_looking_at_an_ended_stream_does_not_start_it_again(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good("%%sse looked\nfor i in range(3):\n    yield {'i': i}")
    wait_for_state(server, "looked", "ended")
    assert cells.value("list(sse.stream('looked').to_pandas()['i'])") == [0, 1, 2]
    assert stream_of(server, "looked")["run"] == 1
    assert stream_of(server, "looked")["state"] == "ended"


def test_the_picture_in_the_notebook_follows_and_is_final_at_the_end(cells: ServedKernel) -> None:
    cell = cells.good("%%sse pictured\nfor i in range(30):\n    yield {'i': i, 'y': i * i}\n    time.sleep(0.1)")
    first = cell.wait(lambda cell: cell.updates, "a picture")[0]
    assert first[MIME_TYPE]["stream"] == "pictured"
    last = cell.wait(lambda cell: "done" in cell.updates[-1]["text/plain"] and cell.updates[-1], "the last picture")
    assert "30 events" in last["text/plain"]
    assert last[MIME_TYPE]["snapshot"]["kind"] == "plot"
    assert last[MIME_TYPE]["saved_at"] > 0


@pytest.mark.alone
def test_killing_a_kernel_is_told_at_once(server: JupyterServer) -> None:
    with ServedKernel(server, "killed.ipynb") as victim:
        victim.good("%load_ext jupyter_sse\nimport time")
        victim.good("%%sse killed\nwhile True:\n    yield 1\n    time.sleep(0.02)")
        pid = victim.value("__import__('os').getpid()")
        with server.read("sse/killed?control=1") as reader:
            reader.until("sse.ready")
            os.kill(pid, signal.SIGKILL)
            begun = time.monotonic()
            events = reader.until("sse.end")
            assert time.monotonic() - begun < 2
    assert json.loads(events[-1].data)["reason"] == "lost"


def test_restarting_a_kernel_runs_finally_and_ends_its_streams(server: JupyterServer, tmp_path: Path) -> None:
    told = tmp_path / "told"
    with ServedKernel(server, "restarted.ipynb") as kernel:
        kernel.good("%load_ext jupyter_sse\nimport time")
        kernel.good(
            f"%%sse restarted\ntry:\n    while True:\n        yield 1\n        time.sleep(0.02)\n"
            f"finally:\n    open({str(told)!r}, 'w').write('finally')"
        )
        kernel.restart()
        assert wait_for_state(server, "restarted", "ended")["end"]["reason"] in ("stopped", "lost")
        wait_until(told.exists, "finally has run")
        kernel.good("%load_ext jupyter_sse\nimport time")
        kernel.good("%%sse restarted\nyield 1")
        assert stream_of(server, "restarted")["run"] == 2


def test_a_server_that_comes_back_gets_what_was_sent_meanwhile() -> None:
    server = JupyterServer().start()
    try:
        program = (
            "import jupyter_sse as sse, sys\nstream = sse.stream('meanwhile')\n"
            "for line in sys.stdin:\n    stream.send(line.strip())\n    print(stream.flush(0.2), flush=True)\n"
        )
        link = f"{server.process.pid}:{server.link_path}"
        kernel = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**server.process_environment(), "JUPYTER_SSE_LINK": link},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

        def send(text: str) -> str:
            kernel.stdin.write(f"{text}\n")
            kernel.stdin.flush()
            return kernel.stdout.readline().strip()

        assert send("before") == "True"
        path = server.link_path
        server.end(signal.SIGKILL)
        assert send("meanwhile") == "False"
        again = JupyterServer(f"--SSEApp.link_path={path}", folder=server.folder).start()
        try:
            with again.read("sse/meanwhile?wait=1") as reader:
                assert reader.take(1)[0].data == "meanwhile"
            assert send("after") == "True"
        finally:
            kernel.stdin.close()
            kernel.wait(30)
            again.end(signal.SIGTERM)
    finally:
        server.stop()


def test_twenty_streams_beside_a_computing_kernel_lose_nothing(server: JupyterServer, cells: ServedKernel) -> None:
    cells.good(
        "def feed(k):\n    @sse.broadcast(f'load/{k}', view=False)\n    def run():\n        for i in range(250):\n"
        "            yield i\n            time.sleep(0.02)\nfor k in range(20):\n    feed(k)"
    )
    request, cell = cells.send("end = time.time() + 6\nn = 0\nwhile time.time() < end:\n    n += 1")
    for k in range(20):
        with server.read(f"sse/load/{k}") as reader:
            got = [int(event.data) for event in reader.until("sse.end")[:-1]]
        assert got == list(range(250))
    cells.finish(request, cell)


def test_who_takes_a_stream_into_a_table_is_not_told_to_its_readers_as_one_of_them(
    server: JupyterServer, cells: ServedKernel
) -> None:
    cells.good("%%sse passing\nn = 0\nwhile True:\n    n += 1\n    yield n\n    time.sleep(0.05)")
    with server.read("sse/passing?control=1") as reader:
        reader.until("sse.ready")
        cells.good("sse.stream('passing').to_pandas()")
        # A new number of readers would be told within a second.
        told = [event.event for event in reader.take(80)]
    cells.good("%sse stop passing")
    assert told.count("message") >= 30
    assert "sse.state" not in told


def test_names_that_jupyter_gives_become_names_of_streams(server: JupyterServer) -> None:
    notebook = "a b/ü (1)/" + "x" * 200 + ".ipynb"
    server.root.joinpath("a b", "ü (1)").mkdir(parents=True, exist_ok=True)
    with ServedKernel(server, notebook) as kernel:
        kernel.good("%load_ext jupyter_sse")
        stream = kernel.good("yield 1", "c").displays[0][MIME_TYPE]["stream"]
    assert re.fullmatch(r"a-b/--+1--[0-9a-f]{8}/x+-[0-9a-f]{16}/c", stream)
    assert len(stream) <= 152


def test_a_widget_names_its_stream(cells: ServedKernel) -> None:
    assert cells.value(
        "(lambda w: (w.stream, w.kind, w.height, w.y))(sse.StreamView('loss', kind='plot', y=['a']))"
    ) == (
        "loss",
        "plot",
        240,
        ["a"],
    )
    assert "StreamNameError" in cells.run("sse.StreamView('lo ss')").error
    assert "kind: expected" in cells.run("sse.StreamView('loss', kind='pie')").error
    assert "window: expected" in cells.run("sse.StreamView('loss', window='soon')").error


def test_a_server_on_a_unix_socket_is_read_by_curl_and_by_address() -> None:
    server = JupyterServer(has_unix_socket=True, base_url="/a/").start()
    try:
        with ServedKernel(server) as kernel:
            kernel.good("%load_ext jupyter_sse\nimport jupyter_sse as sse")
            kernel.good("%%sse unix\nyield from range(3)")
            with Curl(kernel.good("%sse url unix").stdout) as curl:
                assert f"--unix-socket {server.unix_socket} " in curl.command
                assert [data for _, data in curl.wait_for(3)] == ["0", "1", "2"]
                curl.wait_for_end()
            code = "[event.data for event in sse.subscribe(sse.stream('unix').url, token={!r})]"
            assert kernel.value(code.format(server.token)) == ["0", "1", "2"]
            code = "[event.data async for event in sse.subscribe(sse.stream('unix').url, token={!r})]"
            kernel.good(f"got = {code.format(server.token)}")
            assert kernel.value("got") == ["0", "1", "2"]
    finally:
        server.stop()
