"""The extension's life within the server: where kernels find it, what it leaves behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_server import JupyterServer

from jupyter_sse.server.place import remove_empty, socket_places
from jupyter_sse.server.portable import window_after

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    assert server.client.get("api/sse/metrics").json()["max_connections"] == int(hard) - 1000


def test_setting_of_every_bound_says_what_it_bounds():
    from jupyter_sse.server.app import SSEApp

    settings = SSEApp.class_own_traits(config=True)
    assert len(settings) > 15
    for name, trait in settings.items():
        assert len(trait.help) > 30, name


@pytest.mark.parametrize("hand_over", [True, False])
def test_server_that_stops_says_when_to_return_and_leaves_no_socket(hand_over: bool):
    running = JupyterServer(f"--SSEApp.hand_over={hand_over}").start()
    try:
        running.publish("ending", 1)
        link_path = running.link_path
        with running.read("sse/ending") as reader:
            reader.take(1)
            started = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            assert all(event.event != "sse.end" for event in reader.events())
            assert time.monotonic() - started < 10
        assert re.search(rb"data: 1\n\nretry: \d+\n\n$", reader.received)
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


@pytest.fixture
def private_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for sockets that find no place in Jupyter's."""
    base = Path(tempfile.mkdtemp(prefix="sse-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    yield base / f"jupyter_sse-{os.getuid()}"
    shutil.rmtree(base)


def test_socket_goes_to_the_runtime_folder_first(private_folder: Path):
    name = f"jpserver-{os.getpid()}-sse.sock"
    assert list(socket_places("/run/jupyter")) == [f"/run/jupyter/{name}", str(private_folder / name)]
    assert stat.S_IMODE(private_folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("letter", ["x", "é"])
def test_socket_of_a_path_that_is_too_long_goes_to_the_private_folder(private_folder: Path, letter: str):
    places = socket_places(f"/{letter * 90}")
    assert [Path(place).parent for place in places] == [private_folder]


@pytest.mark.parametrize("is_mine", [True, False])
def test_folder_that_is_not_private_is_not_used_and_keeps_no_server_from_starting(private_folder: Path, is_mine: bool):
    if is_mine:
        private_folder.mkdir(mode=0o755)
    else:
        # As if somebody else had made it: what stands there is not this user's folder.
        private_folder.symlink_to("/")
    folder = Path(list(socket_places("/run/jupyter"))[-1]).parent
    assert folder != private_folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    remove_empty(folder)
    assert not folder.exists()


def test_server_whose_runtime_folder_takes_no_socket_uses_the_private_one(private_folder: Path):
    # A folder where the socket would stand: nothing can be bound there.
    starting = JupyterServer(environment={"XDG_RUNTIME_DIR": str(private_folder.parent)})
    blocker = "import os; os.makedirs(os.environ['JUPYTER_RUNTIME_DIR'] + f'/jpserver-{os.getpid()}-sse.sock')"
    starting.config = blocker
    running = starting.start()
    try:
        running.publish("elsewhere", 1)
        assert "the hub cannot start" in running.log()
        assert [path.name for path in private_folder.iterdir()] == [f"jpserver-{running.process.pid}-sse.sock"]
    finally:
        running.stop()


def test_second_server_leaves_the_socket_of_one_that_lives_and_takes_that_of_a_dead_one(private_folder: Path):
    place = f"--SSEApp.link_path={private_folder.parent}/fixed.sock"
    first = JupyterServer(place).start()
    second = JupyterServer(place).start()
    try:
        assert "got one that answers; stop it or choose another path" in second.log()
        assert second.client.get("api/sse/streams").status_code == 404
        second.stop()
        with first.start_kernel() as kernel:
            kernel.text("import jupyter_sse as sse\nsse.stream('mine').send(1)")
        first.end(signal.SIGKILL)
        third = JupyterServer(place).start()
        try:
            assert third.client.get("api/sse/streams").json() == []
        finally:
            third.stop()
    finally:
        first.stop()
        second.stop()


@pytest.mark.parametrize(
    ("length", "window"), [(0.0, 0.0), (0.000_1, 0.000_8), (0.005, 0.020), (0.010, 0.020), (0.100, 0.200)]
)
def test_portable_passes_keep_a_distance_that_grows_with_their_length(length: float, window: float):
    assert window_after(length) == pytest.approx(window)
