"""Starting a run: what it replaces ends, the hub hears of it, its view appears, its generator begins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_sse._rust import check_name
from jupyter_sse.client import client
from jupyter_sse.run import Run
from jupyter_sse.task_driver import TaskDriver
from jupyter_sse.thread_driver import ThreadDriver

if TYPE_CHECKING:
    from jupyter_sse.client import Client
    from jupyter_sse.options import StreamOptions
    from jupyter_sse.origin import Origin
    from jupyter_sse.run import Source

LOOPS = ("own", "main")


def start_run(
    name: str,
    source: Source,
    *,
    is_async: bool,
    loop: str = "own",
    options: StreamOptions,
    origin: Origin,
    shows: bool,
) -> Run:
    """Start a run of a stream. Its view is shown; ``Run.wait_for_first`` is the caller's.

    Args:
        name: the stream.
        source: makes the generator.
        is_async: it is an async generator.
        loop: where an async generator runs: "own" (jupyter_sse's loop) or "main" (that of the calling thread).
        options: of the stream.
        origin: the cell.
        shows: whether the cell shows the view.

    Raises:
        StreamNameError: no stream can have this name.
        OwnedError: another kernel owns the stream's run.
        ValueError: ``loop`` does not fit.
    """
    check_name(name)
    here = client()
    here.announce(origin)
    run = Run(here, name, origin, source)
    if is_async:
        run.driver = TaskDriver(run, chosen_loop(here, loop), here.loop_thread)
    elif loop != "own":
        raise ValueError("--loop main: expected a cell or function that awaits, got a plain generator; leave it out")
    else:
        run.driver = ThreadDriver(run, f"jupyter_sse {name}")
    predecessor = here.runs.get(name)
    if predecessor is not None:
        predecessor.replace()
    run.open(options.as_json(), predecessor)
    try:
        if shows:
            from jupyter_sse.display import View

            run.view = View(here, name, options.view, origin, run.number)
            run.view.show()
        run.launch()
    except BaseException:
        # Such as an interrupt of the cell.
        run.cancel_launch()
        raise
    if loop == "main":
        # The cell keeps the loop from running for as long as it waits.
        run.let_go()
    return run


def chosen_loop(here: Client, loop: str) -> asyncio.AbstractEventLoop:
    """Return where async generators run: "own" (jupyter_sse's loop) or "main" (that of the calling thread).

    Raises:
        ValueError: there is no such loop.
    """
    if loop == "own":
        return here.loop_thread.loop()
    if loop != "main":
        raise ValueError(f"--loop: expected one of {', '.join(LOOPS)}, got {loop!r}")
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ValueError("--loop main: expected a running event loop in this thread, got none; leave it out") from None
