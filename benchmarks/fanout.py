"""One stream to many readers: the highest rate that is sustained, ours beside the peers and a bare loop of send()."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.chart import bars
from benchmarks.load import Readers
from benchmarks.peers import PEERS
from benchmarks.rate import Trial, bound_ms, refine, search
from benchmarks.report import Part, Row, middle, short, spread
from benchmarks.server import NEVER, Limit, Ours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.server import Server
    from benchmarks.setting import Setting

COUNTS = (100, 1_000, 5_000, 10_000)
GOALS = {100: 30, 1_000: 40, 5_000: 20}
"""How many times nchan."""

LARGEST_GOAL = 500_000
"""Deliveries a second to 10,000 readers."""

GUESSES = {"jupyter_sse": 3e6, "bare send()": 3e6, "nginx + nchan": 6e4, "FastAPI": 5e3}
"""Deliveries a second to begin the first search with; the next begins with what this has found."""

OTHER_GUESS = 2e4
SECONDS = 1.5
LONGER = 2.5
ROUNDS = 3


def run(setting: Setting) -> Part:
    """Sustained deliveries/s: complete, in order, p99 below 250 ms from the scheduled time."""
    counts = COUNTS[: setting.pick(4, 2)]
    found: dict[str, dict[int, list[Trial | None]]] = {}
    with ExitStack() as stack:
        ours = stack.enter_context(Ours(setting, f"--SSEApp.ping_interval={NEVER}"))
        peers = [stack.enter_context(PEERS[name](setting)) for name in setting.peers]
        servers: list[Server] = [ours, *peers, stack.enter_context(Limit(setting))]
        for count in counts:
            # Who could not serve fewer is not asked again.
            able = [server for server in servers if all(map(any, found.get(server.name, {}).values()))]
            guesses = {name: last_rate(by_count) for name, by_count in found.items()}
            for name, trials in at_count(setting, able, count, GUESSES | guesses).items():
                found.setdefault(name, {})[count] = trials
    return report(found, counts)


def last_rate(by_count: dict[int, list[Trial | None]]) -> float:
    """Return the deliveries a second that the last number of readers got, 0 for none."""
    *_, trials = by_count.values()
    return middle([trial.deliveries if trial else 0.0 for trial in trials])


def at_count(
    setting: Setting, servers: list[Server], count: int, guesses: Mapping[str, float] = GUESSES
) -> dict[str, list[Trial | None]]:
    """Return the best trial of each round; in a round the servers take turns."""
    trials: dict[str, list[Trial | None]] = {server.name: [] for server in servers}
    with ExitStack() as stack:
        readers = {}
        for server in servers:
            try:
                readers[server.name] = stack.enter_context(Readers(setting, server.address, count))
            except RuntimeError as refused:
                print(f"N={count:6,}  {server.name}: {refused}", flush=True)
                trials[server.name].append(None)
        for _ in range(setting.pick(ROUNDS, 1)):
            for server in servers:
                # Twice "none" will do.
                if server.name not in readers or trials[server.name] == [None, None]:
                    continue
                best = one_turn(
                    server, readers[server.name], trials[server.name], guesses.get(server.name, OTHER_GUESS)
                )
                trials[server.name].append(best)
                print(f"N={count:6,}  {server.name:22}{told(best)}", flush=True)
    return trials


def one_turn(server: Server, readers: Readers, before: list[Trial | None], guess: float) -> Trial | None:
    """Search until something is found, go on from there in the other rounds; ``guess`` is in deliveries a second."""
    known = [trial.rate for trial in before if trial is not None]
    if not known:
        return search(server, readers, SECONDS, guess / readers.connections)
    return refine(server, readers, LONGER, middle(known))


def told(best: Trial | None) -> str:
    """Return a trial for the progress on the terminal."""
    if best is None:
        return "none"
    return (
        f"{short(best.deliveries):>8}/s  p50 {best.p50_ms:6.1f} ms  p99 {best.p99_ms:6.1f} ms  "
        f"{best.cpu_us:6.2f} µs/delivery"
    )


def report(found: dict[str, dict[int, list[Trial | None]]], counts: tuple[int, ...]) -> Part:
    """Return the rows: ours first, then the others; goals stand with ours."""
    part = Part()
    rates: dict[str, dict[int, float]] = {}
    for name, by_count in found.items():
        for count, trials in by_count.items():
            rates.setdefault(name, {})[count] = middle([trial.deliveries if trial else 0.0 for trial in trials])
    for name, by_count in found.items():
        for count in counts:
            trials = by_count.get(count)
            if trials is None:
                part.rows.append(Row(f"N = {count:,}: {name}", measured="not asked: none with fewer"))
            else:
                part.rows.append(row(name, count, [trial for trial in trials if trial], rates))
    part.rows.sort(key=lambda row: counts.index(int(row.what[4:].partition(":")[0].replace(",", ""))))
    part.figures = {
        name: {count: [as_json(trial) for trial in all_] for count, all_ in by_count.items()}
        for name, by_count in found.items()
    }
    title = "Deliveries a second, one stream to N readers, complete and p99 below 250 ms"
    part.charts["fanout.svg"] = bars(
        title,
        [f"N = {count:,}" for count in counts],
        {name: [rates[name].get(count) or None for count in counts] for name in rates},
    )
    return part


def row(name: str, count: int, trials: list[Trial], rates: dict[str, dict[int, float]]) -> Row:
    """Return one server's row for one number of readers."""
    what = f"N = {count:,}: {name}"
    rate = rates[name][count]
    if not rate:
        return Row(what, measured="none")
    p99 = middle([trial.p99_ms for trial in trials])
    made = Row(
        what, measured=f"{short(rate)}/s, p99 {p99:.0f} ms", spread=spread([trial.deliveries for trial in trials])
    )
    nchan = rates.get("nginx + nchan", {}).get(count)
    if name == "jupyter_sse":
        if count in GOALS:
            made.goal = f"≥ {GOALS[count]} × nchan"
            made.reached = rate >= GOALS[count] * nchan if nchan else None
        else:
            made.goal = f"≥ {short(LARGEST_GOAL)}/s, p99 < {bound_ms(count):.0f} ms"
            made.reached = rate >= LARGEST_GOAL
        if nchan:
            made.ratio = f"{rate / nchan:.1f} × nchan"
    elif rates.get("jupyter_sse", {}).get(count):
        made.ratio = f"ours is {rates['jupyter_sse'][count] / rate:.3g} ×"
    return made


def as_json(trial: Trial | None) -> dict[str, Any] | None:
    """Return a trial's figures."""
    if trial is None:
        return None
    return {
        "events_per_second": trial.rate,
        "deliveries_per_second": trial.deliveries,
        "p50_ms": trial.p50_ms,
        "p99_ms": trial.p99_ms,
        "cpu_us_per_delivery": trial.cpu_us,
        "readers_cpu_seconds": trial.found["cpu_seconds"],
        "publisher_late_ms": trial.found["late_ms"],
    }
