"""The same generators on the founding document's framework and here: what a reader gets of each.

Not a measurement of speed. It writes ``docs/side-by-side.md``, with what came over the wire.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.cases import CASES, NOTES, Case
from benchmarks.machine import cores_of_clients
from benchmarks.peers import environment
from benchmarks.peers.asgi import Velithon
from benchmarks.program import Program
from benchmarks.report import Part, Row
from benchmarks.server import ROOT, JupyterServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.load import Address
    from benchmarks.setting import Setting

PAGE = ROOT / "docs" / "side-by-side.md"
PATIENCE = 3.0
"""Seconds for which a reader waits for more."""

HEAD = """# Side by side

The same generator, word for word, as a stream of jupyter_sse and as an `SSEResponse` of velithon {version}, the
framework whose page on server-sent events this project grew from. `make bench WHAT=side_by_side` has written this page
from what came over the wire: the bytes as they were sent, our positions shortened. As velithon is shipped, every
`SSEResponse` is answered with 500 (`'SSEResponse' object has no attribute 'body'`); here it ran with that attribute
set, on the server that it comes with (`benchmarks/peers/velithon_app.py`). What ours does is tested, section by
section of that page: see [the founding document](founding-document.md).
"""

POSITION = re.compile(r"[0-9A-Za-z]{11}-(\d+)-(\d+)")
END_ID = re.compile(r"[0-9A-Za-z]{11}-end-\d+")


class VelithonCases(Velithon):
    """Its server with the cases."""

    module = "velithon_cases"


class Side:
    """One of the two: where its streams are, and what its generators noted."""

    def __init__(self, name: str, at: Callable[[str], Address], pids: tuple[int, ...], notes: Path) -> None:
        self.name, self.at, self._pids, self._notes = name, at, pids, notes

    def open(self, case: Case, last_event_id: str | None = None) -> http.client.HTTPResponse:
        """Ask for a stream."""
        address = self.at(case.name)
        parts = urlsplit(address.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
        headers = dict(line.split(": ", 1) for line in address.headers)
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        # Not more than this at a time: what a reader has taken is what it has read.
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        connection.request("GET", parts.path, headers=headers)
        return connection.getresponse()

    def notes(self, case: Case) -> list[str]:
        """What the case's generators have noted."""
        path = self._notes / f"{case.name}.txt"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def resident(self) -> int:
        """Return the memory of its processes and of those that they have started, in bytes."""
        known, total = set(self._pids), 0
        # A child's number is larger than its parent's, but for a counter that began anew.
        for process in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            with contextlib.suppress(OSError):
                status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
                if process in known or int(status["PPid"]) in known:
                    known.add(process)
                    total += int(status.get("VmRSS", "0 kB").split()[0]) << 10
        return total


def read(side: Side, case: Case) -> str:
    """Read to the end."""
    return f"```\n{rest_of(side.open(case)).rstrip()}\n```"


def return_after_the_end(side: Side, case: Case) -> str:
    """Read to the end, and return with the last id, three times."""
    last, answers = None, []
    for _ in range(4):
        response = side.open(case, last)
        text = rest_of(response)
        ids = re.findall(r"^id: ?(.*)$", text, re.MULTILINE)
        last = ids[-1] if ids else last
        answers.append(f"{response.status}, {text.count('data: 0')} first events")
    runs = len(side.notes(case))
    return f"The generator ran {runs} {'time' if runs == 1 else 'times'} for one reader. Answers: {'; '.join(answers)}."


def return_after_a_loss(side: Side, case: Case) -> str:
    """Read some, lose the connection, and return half a second later with the last id."""
    first = side.open(case)
    text = b"".join(first.readline() for _ in range(15)).decode()
    first.close()
    last = re.findall(r"^id: ?(.*)$", text, re.MULTILINE)[-1]
    time.sleep(0.5)
    again = side.open(case, last)
    lines = []
    while not lines or not lines[-1].startswith("data:"):
        lines.append(again.readline().decode())
    again.close()
    return f"The last event that came before had the id {last}, the first after the return is `{lines[-1].strip()}`."


def stop_reading(side: Side, case: Case) -> str:
    """Read a little and stop; look how far the generator goes and what the server's memory does."""
    before = side.resident()
    response = side.open(case)
    response.read1(1000)
    time.sleep(PATIENCE)
    half = int(side.notes(case)[-1])
    time.sleep(PATIENCE)
    noted, grown = int(side.notes(case)[-1]), (side.resident() - before) / 1e6
    response.close()
    still = "It rests." if noted == half else "It goes on."
    items = f"{noted:,} to {noted + 1000:,} items of 1 kB"
    memory = f"The processes have grown by {grown:.0f} MB."
    return f"After {2 * PATIENCE:.0f} s the generator has yielded {items}. {still} {memory}"


def leave(side: Side, case: Case) -> str:
    """Leave after the first event; wait for the generator's clean-up."""
    response = side.open(case)
    response.readline()
    response.close()
    left = time.monotonic()
    while time.monotonic() < left + 10:
        if side.notes(case):
            return f"`finally` has run {(time.monotonic() - left) * 1000:.0f} ms after the reader had left."
        time.sleep(0.002)
    return "`finally` has not run 10 s after the reader had left."


def rest_of(response: http.client.HTTPResponse) -> str:
    """Return what comes until the end, or until nothing comes; positions as `…-seq-n`, which differ from run to run."""
    pieces = []
    try:
        while piece := response.read1(65_536):
            pieces.append(piece)
    except TimeoutError:
        pieces.append(b"(nothing more comes, and no end)\n")
    except http.client.IncompleteRead as cut:
        pieces += [cut.partial, b"(cut off)\n"]
    finally:
        response.close()
    return b"".join(pieces).decode()


ACTS: dict[str, Callable[[Side, Case], str]] = {
    act.__name__: act for act in (read, return_after_the_end, return_after_a_loss, stop_reading, leave)
}


def run(setting: Setting) -> Part:
    """What a reader gets of the same generators, beside the founding document's framework."""
    found: dict[str, dict[str, str]] = {case.name: {} for case in CASES}
    for make in (ours, theirs):
        make(setting, found)
    if not setting.is_quick:
        PAGE.write_text(page(found))
    rows = [
        Row(f"{case.title}: {side}", measured=text[:60]) for case in CASES for side, text in found[case.name].items()
    ]
    return Part(rows, {"cases": found})


def ours(setting: Setting, found: dict[str, dict[str, str]]) -> None:
    """Let our readers read."""
    notes = folder(setting, "ours")
    jupyter = JupyterServer(setting)
    variables = {**os.environ, "JUPYTER_SSE_LINK": jupyter.link, NOTES: str(notes)}
    command = [sys.executable, "-m", "benchmarks.our_cases"]
    log = setting.log("our_cases")
    with Program(command, cores_of_clients(), log, talks=True, environment=variables) as program:
        program.hear()
        look(Side("jupyter_sse", lambda name: jupyter.at(f"sse/{name}"), (jupyter.pid, program.pid), notes), found)
    jupyter.close()


def theirs(setting: Setting, found: dict[str, dict[str, str]]) -> None:
    """Let velithon's readers read."""
    notes = folder(setting, "theirs")
    os.environ[NOTES] = str(notes)
    with VelithonCases(setting) as server:
        base = server.address

        def at(name: str) -> Address:
            return replace(base, url=base.url.replace("/events", f"/{name}"))

        look(Side("velithon", at, (server.program.pid,), notes), found)


def look(side: Side, found: dict[str, dict[str, str]]) -> None:
    """Let a reader do of each case what is to be looked at."""
    for case in CASES:
        print(f"  {side.name}: {case.title}", flush=True)
        text = ACTS[case.act](side, case)
        found[case.name][side.name] = END_ID.sub("…-end-1", POSITION.sub(r"…-\1-\2", text))


def folder(setting: Setting, name: str) -> Path:
    """Make a folder for notes."""
    path = setting.folder / name
    path.mkdir()
    return path


def page(found: dict[str, dict[str, str]]) -> str:
    """Return the page."""
    version = environment.versions().get("velithon", "?")
    lines = [HEAD.format(version=version)]
    for case in CASES:
        lines += [f"## {case.title}", "", f"```python\nasync def generate():\n{indented(case.code)}```", ""]
        for name, text in found[case.name].items():
            lines += [f"**{name}**", "", text, ""]
    return "\n".join(lines).rstrip() + "\n"


def indented(code: str) -> str:
    """Return code as the body of a function."""
    return "".join(f"    {line}\n" for line in code.splitlines())
