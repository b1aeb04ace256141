"""The machine: its cores and who gets which, what a process uses of it, and what it is called."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

MIB = 2**20


def cores_of_servers() -> set[int]:
    """Return the cores that servers run on: half of them, on two cores the first."""
    cores = sorted(os.sched_getaffinity(0))
    return set(cores[: max(1, len(cores) // 2)])


def cores_of_clients() -> set[int]:
    """Return the cores of readers and publishers: those that servers have not, or the only one."""
    return (os.sched_getaffinity(0) - cores_of_servers()) or cores_of_servers()


def unpin(pid: int) -> None:
    """Let all threads of a process run on every core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), os.sched_getaffinity(0))


def cpu_seconds(*pids: int) -> float:
    """Return what all threads of these processes have used of the processors, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int(task.joinpath("schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9


def resident_bytes(*pids: int) -> int:
    """Return the resident memory of these processes."""
    pages = (int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) for pid in pids)
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def descriptors(*pids: int) -> int:
    """Return how many descriptors these processes have open."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)  # noqa: PTH208 - Path.iterdir is slow for 10,000


def describe() -> dict[str, Any]:
    """Return what the figures depend on: machine, date, versions, and what else ran when it began."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "rust": answer("rustc", "--version"),
        "jupyter_sse": version("jupyter_sse"),
        "commit": answer("git", "rev-parse", "--short", "HEAD"),
        "jupyter_server": version("jupyter_server"),
        "tornado": version("tornado"),
        "load_average": os.getloadavg()[0],
    }


def cpu_name() -> str:
    """Return what the processor calls itself."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def answer(*command: str) -> str:
    """Return what a command prints, or nothing where there is no such command."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
