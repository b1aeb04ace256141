"""What encoding an event costs, beside orjson alone and the peers, and whether what comes out is right."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.encode_worker import ALONE, COSTS, DICT, LIMITS, OURS, TRAPS, framed_in_c
from benchmarks.machine import cores_of_servers
from benchmarks.peers import environment
from benchmarks.program import settle
from benchmarks.report import Part, Row, middle, spread
from jupyter_sse import Decoder, SSEError

if TYPE_CHECKING:
    from benchmarks.setting import Setting

WORKER = Path(__file__).parent / "encode_worker.py"
FLOOR = WORKER.with_name("floor.c")
LINES = "text, 10 KiB in 128 lines"
GOAL_RATIO, GOAL_LINES_US = 1.3, 2.0
ROUNDS = 5


def run(setting: Setting) -> Part:
    """One event to bytes, µs, and whether it reads back as what it was (judged by the standard's rules)."""
    with tempfile.TemporaryDirectory() as folder:
        limits = [name for name, limit in LIMITS.items() if limit is not framed_in_c or build_floor(Path(folder))]
        return compare(setting, limits, folder)


def compare(setting: Setting, limits: list[str], folder: str) -> Part:
    """Measure everything, by turns; `folder` is for `ask`."""
    pythons = dict.fromkeys((ALONE, OURS, *limits), sys.executable)
    further = ("velithon",) if "velithon" in setting.peers else ()
    of_peers = str(environment.python(*further))
    pythons |= {name: of_peers for name in ("sse-starlette", "fastapi", "velithon") if name in setting.peers}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons}
    for turn in range(setting.pick(ROUNDS, 1)):
        for name, python in pythons.items():
            found[name].append(ask(python, name, folder))
        print(f"round {turn + 1}", flush=True)
    part = Part(figures={**found})
    for case in COSTS:
        part.rows += [cost_row(case, name, results) for name, results in found.items() if case in results[0]["us"]]
    for name, results in found.items():
        if results[0]["traps"]:
            verdicts = {trap: judge(trap, results[0]["traps"][trap]) for trap in TRAPS}
            part.figures[f"{name}, verdicts"] = verdicts
            part.rows.append(verdict_row(name, verdicts))
    return part


def build_floor(folder: Path) -> bool:
    """Compile `floor.c` for this Python; tell whether that can be done."""
    headers, compiler = Path(sysconfig.get_path("include")), shutil.which("cc")
    if compiler is None or not (headers / "Python.h").exists():
        print(f"no row of C: it needs cc and {headers}/Python.h", flush=True)
        return False
    command = [compiler, "-O2", "-shared", "-fPIC", f"-I{headers}", str(FLOOR), "-o", str(folder / "floor.so")]
    subprocess.run(command, check=True)
    return True


def ask(python: str, name: str, folder: str) -> dict[str, Any]:
    """Measure one encoder in a fresh process; what is compiled for it is in the folder."""
    answer = subprocess.run(
        [python, str(WORKER), name, folder],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: settle(cores_of_servers(), 0),
    )
    if answer.returncode:
        raise RuntimeError(f"expected figures of {name}, got {answer.stderr[-1000:]}")
    return json.loads(answer.stdout)


def cost_row(case: str, name: str, results: list[dict[str, Any]]) -> Row:
    """Return the row of one encoder in one case. It is compared with orjson alone in the same process, by turns."""
    costs = [one["us"][case] for one in results]
    cost, ratio = middle(costs), middle([one["us"][case] / one["orjson_us"][case] for one in results])
    row = Row(f"encode {case}: {name}", measured=f"{cost:.2f} µs", spread=spread(costs, " µs"))
    if name != ALONE:
        row.ratio = f"{ratio:.2f} × orjson"
    if name == OURS and case == DICT:
        row.goal, row.reached = f"≤ {GOAL_RATIO} × orjson", ratio <= GOAL_RATIO
    if name == OURS and case == LINES:
        row.goal, row.reached = f"≤ {GOAL_LINES_US:g} µs", cost <= GOAL_LINES_US
    return row


def judge(trap: str, encoded: str | None) -> str:
    """Return "right", "refused" or what is wrong."""
    if encoded is None:
        return "refused"
    wire = bytes.fromhex(encoded)
    try:
        events = Decoder().feed(wire)
    except SSEError as error:
        return f"unreadable: {error}"
    if len(events) != 1:
        return f"{len(events)} events instead of one"
    data = events[0].data
    if trap == "newlines":
        return "right" if data == "a\nb\nc\nd" else f"data is {data!r}"
    if trap in ("NaN", "key named id"):
        return judge_json(trap, data)
    if trap == "NUL in id" and b"\0" in wire:
        return "NUL let through"
    return "right" if data == "x" else f"data is {data!r}"


def judge_json(trap: str, data: str) -> str:
    """Judge data that has to be JSON, strictly."""
    try:
        value = json.loads(data, parse_constant=refuse)
    except ValueError:
        return f"no JSON: {data[:20]!r}"
    expected = {"id": 7, "loss": 0.5} if trap == "key named id" else {"loss": None}
    return "right" if value == expected else f"data is {value!r}"


def refuse(constant: str) -> None:
    """Take no NaN and no Infinity for JSON."""
    raise ValueError(constant)


def verdict_row(name: str, verdicts: dict[str, str]) -> Row:
    """Return the row that says what one encoder gets wrong."""
    wrong = [f"{trap}: {said}" for trap, said in verdicts.items() if said not in ("right", "refused")]
    row = Row(f"encoder correct: {name}", measured="; ".join(wrong) or "all right or refused")
    refused = [trap for trap, said in verdicts.items() if said == "refused"]
    row.ratio = f"refuses {', '.join(refused)}" if refused else ""
    if name == OURS:
        row.goal, row.reached = "correct", not wrong
    return row
