"""The extension's life within the server: where kernels find it, what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_server import JupyterServer

from jupyter_sse.server.place import socket_path
from jupyter_sse.server.portable import window_after

if TYPE_CHECKING:
    from running_server import Kernel


def test_kernel_inherits_where_the_hub_is(server: JupyterServer, kernel: Kernel):
    told = kernel.text("import os; print(os.environ['JUPYTER_SSE_LINK'])").strip()
    assert told == f"{server.process.pid}:{server.link_path}"


def test_socket_of_the_hub_is_the_users_alone(server: JupyterServer):
    status = Path(server.link_path).stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert Path(server.link_path).parent == server.runtime


def test_server_may_open_as_many_files_as_the_system_lets_it(server: JupyterServer):
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    soft, hard = re.search(r"Max open files +(\d+) +(\d+)", limits).groups()
    assert soft == hard


def test_setting_of_every_bound_says_what_it_bounds():
    from jupyter_sse.server.app import SSEApp

    settings = SSEApp.class_own_traits(config=True)
    assert len(settings) > 15
    for name, trait in settings.items():
        assert len(trait.help) > 30, name


def test_server_that_stops_ends_streams_and_leaves_no_socket():
    running = JupyterServer().start()
    try:
        running.publish("ending", 1)
        link_path = running.link_path
        with running.read("sse/ending") as reader:
            reader.take(1)
            started = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            assert all(event.event != "sse.end" for event in reader.events())
            assert time.monotonic() - started < 10
        running.process.wait(30)
        assert not os.path.exists(link_path)  # noqa: PTH110
    finally:
        running.stop()


def test_reader_comes_back_to_a_server_that_started_anew_and_is_told_of_the_gap():
    first = JupyterServer().start()
    first.publish("anew", 1)
    with first.read("sse/anew") as reader:
        cursor = reader.take(1)[0].id
    first.stop()
    second = JupyterServer().start()
    try:
        second.publish("anew", 2)
        with second.read("sse/anew", headers={"Last-Event-ID": cursor}) as returning:
            gap, event = returning.take(2)
        assert gap.event == "sse.gap"
        assert '"epoch"' in gap.data
        assert event.data == "2"
    finally:
        second.stop()


def test_socket_path_is_in_the_runtime_folder_where_it_is_short_enough():
    assert socket_path("/run/user/1000/jupyter", 77) == Path("/run/user/1000/jupyter/jpserver-77-sse.sock")


@pytest.mark.parametrize("letter", ["x", "é"])
def test_socket_path_that_is_too_long_goes_to_a_private_folder(
    letter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = socket_path(f"/{letter * 90}", 77)
    assert path == tmp_path / f"jupyter_sse-{os.getuid()}" / "jpserver-77-sse.sock"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_private_folder_that_is_open_to_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.joinpath(f"jupyter_sse-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(PermissionError, match="mode 755"):
        socket_path("/" + "x" * 100, 77)


@pytest.mark.parametrize(
    ("length", "window"), [(0.0, 0.0), (0.000_1, 0.000_8), (0.005, 0.020), (0.010, 0.020), (0.100, 0.200)]
)
def test_portable_passes_keep_a_distance_that_grows_with_their_length(length: float, window: float):
    assert window_after(length) == pytest.approx(window)
