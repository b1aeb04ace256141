"""``%sse``, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kernel.state import stats

if TYPE_CHECKING:
    from running_kernel import LoneKernel


def test_without_a_server_there_is_no_address_to_print(kernel: LoneKernel, name: str) -> None:
    kernel.good(f"sse.stream({name!r})")
    assert "expected a Jupyter server" in kernel.good(f"%sse url {name}").stderr


class TestMagic:
    """What ``%sse`` says."""

    def test_help_is_a_command_too(self, kernel: LoneKernel) -> None:
        text = kernel.good("%sse help").stdout
        assert text == kernel.good("%sse --help").stdout == kernel.good("%sse").stdout
        assert all(command in text for command in ("list", "stop", "view", "url"))
        assert "--all" in kernel.good("%sse help stop").stdout

    @pytest.mark.parametrize("keys", ["a, b", "a ,b", "a , b", "'a, b'", "a,b"])
    def test_keys_may_stand_apart(self, kernel: LoneKernel, name: str, keys: str) -> None:
        kernel.good(f"%%sse --y {keys} {name} --view plot\nyield {{'a': 1, 'b': 2}}")
        assert stats(kernel, name)["options"]["view"] == {"kind": "plot", "x": None, "y": ["a", "b"], "window": None}

    @pytest.mark.parametrize("command", ["url", "view", "stop"])
    def test_an_unknown_stream_is_said_in_one_sentence(self, kernel: LoneKernel, command: str) -> None:
        said = kernel.run(f"%sse {command} nope").stderr
        assert said == f'UsageError: %sse {command}: there is no stream "nope" on this server\n'


def test_names_of_streams_complete(kernel: LoneKernel, name: str) -> None:
    kernel.good(f"sse.stream({name!r})")

    def matches(text: str) -> list[str]:
        return kernel.value(f"get_ipython().complete('', {text!r}, {len(text)})[1]")

    assert {"list", "stop", "view", "url", "help"} <= set(matches("%sse "))
    assert name in matches("%sse stop ")
