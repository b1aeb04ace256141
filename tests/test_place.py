"""Where a process finds its hub, and what its cells are called."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_sse._rust import check_name
from jupyter_sse.origin import Origin, cell_stream_name, notebook_name
from jupyter_sse.place import KERNEL_VARIABLE, LINK_VARIABLE, find_place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def hub_socket(tmp_path: Path) -> Iterator[str]:
    """A Unix socket at which somebody listens."""
    path = str(tmp_path / "hub.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        yield path


class TestPlace:
    def test_the_servers_variable_names_the_hub(self, hub_socket: str) -> None:
        assert find_place({LINK_VARIABLE: f"42:{hub_socket}"}).link_path == hub_socket
        assert find_place({LINK_VARIABLE: f"42:{hub_socket}", "JPY_PARENT_PID": "42"}).link_path == hub_socket

    def test_the_variable_of_another_server_is_ignored(self, hub_socket: str) -> None:
        assert find_place({LINK_VARIABLE: f"42:{hub_socket}", "JPY_PARENT_PID": "43"}).link_path is None

    def test_a_socket_that_a_dead_server_left_is_ignored(self, tmp_path: Path) -> None:
        path = str(tmp_path / "left.sock")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
        assert find_place({LINK_VARIABLE: f"42:{path}"}).link_path is None
        assert find_place({LINK_VARIABLE: f"42:{tmp_path}/never.sock"}).link_path is None

    def test_a_child_process_is_its_kernels(self, hub_socket: str) -> None:
        place = find_place({KERNEL_VARIABLE: f"some-kernel:{hub_socket}"})
        assert (place.kernel, place.link_path) == ("some-kernel", hub_socket)

    def test_a_plain_program_is_itself(self) -> None:
        place = find_place({})
        assert place.kernel == f"pid-{os.getpid()}"
        assert place.link_path is None


class TestNames:
    KERNEL = "01234567-89ab-cdef-0123-456789abcdef"

    def name(self, session: str, root: Path | None = None, tmp_path: Path | None = None) -> str:
        environment = {"JPY_SESSION_NAME": session}
        if root is not None:
            Path(tmp_path, "jpserver-42.json").write_text(json.dumps({"root_dir": str(root)}))
            environment |= {"JPY_PARENT_PID": "42", "JUPYTER_RUNTIME_DIR": str(tmp_path)}
        return notebook_name(environment, self.KERNEL)

    def test_a_notebook_is_named_below_the_servers_root(self, tmp_path: Path) -> None:
        root = Path("/home/ada/work")
        assert self.name("/home/ada/work/a/b.ipynb", root, tmp_path) == "a/b"
        assert self.name("/home/ada/other/b.ipynb", root, tmp_path) == "b"

    def test_a_relative_path_is_taken_as_it_is(self) -> None:
        assert self.name("a/b.ipynb") == "a/b"

    @pytest.mark.parametrize(
        ("session", "name"),
        [
            ("my notes (2).ipynb", "my-notes--2-"),
            ("ünï.ipynb", "-n--e975a529"),
            ("日本/b.ipynb", "---cf2abf0c/b"),
            ("a/.../b.ipynb", "a/---/b"),
            ("a.b~c_d-e.ipynb", "a.b~c_d-e"),
            (".ipynb", "notebook"),
        ],
    )
    def test_other_characters_become_dashes(self, session: str, name: str) -> None:
        assert self.name(session) == name

    def test_names_in_other_scripts_stay_apart(self) -> None:
        names = [self.name(f"{text}.ipynb") for text in ("日本", "中国", "été", "ötö", "--", "a\udc80", "a\udc81")]
        assert len(set(names)) == len(names)
        for name in names:
            check_name(name)
        cells = [cell_stream_name(Origin(cell_id=text), "n") for text in ("ä", "ö")]
        assert cells[0] != cells[1]

    def test_long_names_are_cut_and_stay_apart(self) -> None:
        one, two = (self.name(f"{'x' * 300}{which}.ipynb") for which in "ab")
        assert len(one) <= 150
        assert one != two
        assert re.fullmatch(r"x+-[0-9a-f]{16}", one)

    def test_without_a_notebook_it_is_the_kernels_name(self) -> None:
        assert notebook_name({}, self.KERNEL) == "kernel-01234567"
        assert notebook_name({}, "pid-77") == "kernel-77"

    def test_a_cell_goes_by_its_id_else_by_its_number(self) -> None:
        assert cell_stream_name(Origin(cell_id="a b", execution_count=3), "n") == "n/a-b"
        assert cell_stream_name(Origin(execution_count=3), "n") == "n/3"
