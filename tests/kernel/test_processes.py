"""Threads, child processes and other kernels beside a kernel that sends."""

from __future__ import annotations

import pytest
from running_kernel import LoneKernel

from kernel.state import stats, values


def test_threads_that_send_at_once_lose_nothing(kernel: LoneKernel, name: str) -> None:
    kernel.good(
        f"stream = sse.stream({name!r}, history=50_000)\nimport threading\n"
        "def work(k):\n    for i in range(2_000):\n        stream.send([k, i])\n"
        "threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()\nassert stream.flush(10)"
    )
    got = values(kernel, name)
    assert len(got) == 16_000
    for k in range(8):
        assert [i for which, i in got if which == k] == list(range(2_000))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_send_by_links_of_their_own(
    kernel: LoneKernel, name: str, method: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # What is spawned must be found in a module.
    folder = tmp_path_factory.mktemp("child")
    folder.joinpath("child_work.py").write_text(
        "import jupyter_sse as sse\n"
        "def by_stream(stream, k):\n    for i in range(500):\n        stream.send([k, i])\n"
        "def by_name(name, k):\n    stream = sse.stream(name)\n    for i in range(500):\n        stream.send([k, i])\n"
    )
    kernel.good(
        f"import sys, multiprocessing\nsys.path.insert(0, {str(folder)!r})\nimport child_work\n"
        f"context = multiprocessing.get_context({method!r})\n"
        f"stream = sse.stream({name!r})\nstream.send('parent')\n"
        f"children = [context.Process(target=child_work.by_stream, args=(stream, 0)), "
        f"context.Process(target=child_work.by_name, args=({name!r}, 1))]\n"
        "for child in children: child.start()\nfor child in children: child.join()\n"
        "stream.send('parent again')\nassert stream.flush(10)\nassert [c.exitcode for c in children] == [0, 0]"
    )
    got = kernel.wait(f"sse.stream({name!r}).stats()['events'] == 1002") and values(kernel, name)
    assert got[0] == "parent"
    for k in range(2):
        assert [one[1] for one in got if isinstance(one, list) and one[0] == k] == list(range(500))
    assert stats(kernel, name)["state"] == "live"
    assert stats(kernel, name)["run"] == 1


def test_a_second_kernel_shares_nothing_without_a_server(kernel: LoneKernel, name: str) -> None:
    kernel.good(f"sse.stream({name!r}).send(1)")
    with LoneKernel() as other:
        other.good("import jupyter_sse as sse")
        cell = other.run(f"sse.stream({name!r}).close()\nnext(iter(sse.subscribe('{name}-not-there')))")
        assert "UnknownStreamError" in cell.error
