"""How cost grows: with readers, with events a second, with the size of an event."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from benchmarks.chart import lines
from benchmarks.load import Readers
from benchmarks.machine import resident_bytes
from benchmarks.rate import EVENT_BYTES, measure
from benchmarks.report import Part, Row, short
from benchmarks.server import NEVER, Ours

if TYPE_CHECKING:
    from benchmarks.setting import Setting

READERS = (10, 100, 1_000, 5_000, 10_000)
RATE = 8.0
RATES = (1.0, 10.0, 100.0, 1_000.0)
SIZES = (100, 1_000, 10_000, 100_000)
MIDDLE = 1_000
"""Readers where something else grows."""

SIZE_RATE = 10.0
SECONDS = 2.0
LINEAR = 1.15
"""Cost may grow with this power at the most: the caches of a real machine are not endless."""

Line = list[tuple[float, float]]


def run(setting: Setting) -> Part:
    """The server's CPU and memory against N, events/s and event size; nothing worse than linear."""
    part = Part()
    with Ours(setting, f"--SSEApp.ping_interval={NEVER}") as ours:
        by_readers, memory = grow_readers(setting, ours)
        with Readers(setting, ours.address, setting.pick(MIDDLE, 100)) as readers:
            by_rate = [(rate, cpu_share(ours, readers, rate)) for rate in RATES[: setting.pick(4, 2)]]
            by_size = [(size, cpu_share(ours, readers, SIZE_RATE, size)) for size in SIZES[: setting.pick(4, 2)]]
    title = "CPU of the server against {}, share of one core"
    charts = {
        "growth-readers.svg": (title.format(f"readers, {RATE:g} events/s"), "readers", by_readers),
        "growth-rate.svg": (title.format(f"events/s, {MIDDLE:,} readers"), "events/s", by_rate),
        "growth-size.svg": (title.format(f"event size, {MIDDLE:,} readers, {SIZE_RATE:g}/s"), "bytes", by_size),
    }
    for file, (what, across, line) in charts.items():
        linear = [(x, line[0][1] * x / line[0][0]) for x, _ in (line[0], line[-1])]
        part.charts[file] = lines(what, across, {"jupyter_sse": line, "linear": linear})
        part.rows.append(growth_row(f"CPU against {across}", line))
        part.figures[across] = line
    title = "Resident memory of the server against idle readers, MiB"
    part.charts["growth-memory.svg"] = lines(title, "readers", {"jupyter_sse": memory})
    part.figures["resident_mib"] = memory
    (_, fewest_mib), (most, most_mib) = memory[0], memory[-1]
    part.rows.append(Row("resident memory", measured=f"{fewest_mib:.0f} MiB, {most:,.0f} readers: {most_mib:.0f} MiB"))
    return part


def grow_readers(setting: Setting, ours: Ours) -> tuple[Line, Line]:
    """Return CPU and memory against the number of readers."""
    cpu, memory = [], []
    for count in READERS[: setting.pick(5, 3)]:
        with Readers(setting, ours.address, count) as readers:
            memory.append((float(count), resident_bytes(ours.pids[0]) / 2**20))
            cpu.append((float(count), cpu_share(ours, readers, RATE)))
    return cpu, memory


def cpu_share(ours: Ours, readers: Readers, rate: float, size: int = EVENT_BYTES) -> float:
    """Return what the server uses of one core."""
    trial = measure(ours, readers, rate, SECONDS, size)
    share = trial.cpu_us / 1e6 * trial.deliveries
    print(
        f"N={readers.connections:6,}  {rate:6g}/s  {size:7,} bytes  {share:8.4f} of a core  "
        f"{trial.cpu_us:7.2f} µs/delivery  p99 {trial.p99_ms:.1f} ms",
        flush=True,
    )
    return share


def growth_row(what: str, line: Line) -> Row:
    """Return the power with which the cost grows over the last steps, where what is constant no longer counts."""
    (x0, y0), (x1, y1) = line[len(line) // 2 - 1], line[-1]
    power = log(y1 / y0) / log(x1 / x0)
    measured = f"{line[0][1]:.3g} of a core at {short(line[0][0])}, {y1:.3g} at {short(x1)}"
    row = Row(what, "no worse than linear", measured, f"~ x^{power:.2f}")
    row.reached = power <= LINEAR
    return row
