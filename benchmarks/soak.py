"""Hours in minutes: many readers, some of them bad, and a server that must not grow."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks.chart import lines
from benchmarks.load import Readers
from benchmarks.machine import MIB, descriptors, resident_bytes
from benchmarks.report import Part, Row
from benchmarks.server import Ours

if TYPE_CHECKING:
    from benchmarks.setting import Setting

READERS = 5_000
SLOW, VANISHING, NEVER_READING = 200, 200, 100
RATE, EVENT_BYTES = 20.0, 2_000
SLOW_RATE = 5_000
"""Bytes a second: an eighth of what comes."""

LIFETIME = 5
"""Seconds, about, until a vanishing reader goes without a word and comes back with its last id."""

BOUNDS = (f"--SSEApp.live_window_bytes={256 << 10}", "--SSEApp.history_events=250")
"""So small that slow readers fall out of the window again and again."""

SAMPLE_EVERY = 2.0
GROWTH_MIB = 4.0
GROWTH_DESCRIPTORS = 100
"""Connections of vanishing readers that the server has not missed yet."""


def run(setting: Setting) -> Part:
    """5,000 readers, some slow, some vanishing, some never reading: flat memory, nothing lost unannounced."""
    scale = setting.pick(1, 10)
    counts = [count // scale for count in (READERS, SLOW, NEVER_READING, VANISHING)]
    options = ["--slow", str(counts[1]), "--slow-rate", str(SLOW_RATE), "--never", str(counts[2])]
    options += ["--vanishing", str(counts[3]), "--lifetime", str(LIFETIME)]
    with Ours(setting, *BOUNDS) as ours, Readers(setting, ours.address, counts[0], *options) as readers:
        samples, found = watch(setting, ours, readers)
    third = [sample for sample in samples if sample["at"] >= samples[-1]["at"] / 3]
    part = Part(figures={"samples": samples, "found": found})
    part.rows += [memory_row(third), descriptor_row(third), loss_row(found), count_row(found, setting.seconds)]
    line = [(sample["at"] + 1.0, sample["resident_mib"]) for sample in samples]
    part.charts["soak.svg"] = lines(
        "Resident memory of the server during the soak, MiB", "seconds", {"jupyter_sse": line}
    )
    return part


def watch(setting: Setting, ours: Ours, readers: Readers) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """Publish for the time set and look at the server meanwhile; return what was seen and what readers counted."""
    run_number = readers.begin()
    published: dict[str, Any] = {}

    def publish() -> None:
        published.update(ours.publish(run_number, RATE, setting.seconds, EVENT_BYTES))

    publishing = threading.Thread(target=publish)
    publishing.start()
    samples = []
    start = time.monotonic()
    while publishing.is_alive():
        at = time.monotonic() - start
        resident = resident_bytes(*ours.pids) / MIB
        samples.append({"at": at, "resident_mib": resident, "descriptors": descriptors(*ours.pids)})
        if len(samples) % 15 == 1:
            print(f"{at:6.0f} s  {resident:7.1f} MiB  {samples[-1]['descriptors']} descriptors", flush=True)
        publishing.join(SAMPLE_EVERY)
    return samples, readers.end(published["published"], patience=10.0)


def memory_row(samples: list[dict[str, float]]) -> Row:
    """Return whether resident memory is flat after the first third."""
    values = [sample["resident_mib"] for sample in samples]
    grown = values[-1] - values[0]
    row = Row("soak: resident memory", f"flat (± {GROWTH_MIB:g} MiB)", f"{grown:+.1f} MiB")
    row.spread, row.reached = f"{min(values):.0f}–{max(values):.0f} MiB", grown <= GROWTH_MIB
    return row


def descriptor_row(samples: list[dict[str, float]]) -> Row:
    """Return the same for descriptors."""
    values = [sample["descriptors"] for sample in samples]
    grown = values[-1] - values[0]
    row = Row("soak: descriptors", "flat", f"{grown:+.0f}", spread=f"{min(values):.0f}–{max(values):.0f}")
    row.reached = grown <= GROWTH_DESCRIPTORS
    return row


def loss_row(found: dict[str, Any]) -> Row:
    """Return whether every loss was announced, at readers that were."""
    row = Row("soak: lost unannounced", "0", str(found["unannounced"]))
    row.ratio = f"{found['missing']:,} lost, {found['announced']:,} announced"
    row.reached = found["unannounced"] + found["duplicates"] + found["disordered"] == 0
    row.spread = f"{found['duplicates']} twice, {found['disordered']} out of order"
    return row


def count_row(found: dict[str, Any], seconds: float) -> Row:
    """Return what was delivered."""
    row = Row(f"soak: deliveries in {seconds:.0f} s", measured=f"{found['deliveries']:,}")
    row.ratio = f"p99 {found['p99_ms']:.0f} ms, {found['returned']:,} came back, {found['closed']} closed by the server"
    return row
