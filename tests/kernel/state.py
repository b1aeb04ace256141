"""What a kernel knows of its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from running_kernel import CellKernel


def values(kernel: CellKernel, name: str) -> list[object]:
    """Return the data of a stream's history."""
    return kernel.value(
        f"[event.value() for event in __import__('jupyter_sse.history').history.read_history("
        f"__import__('jupyter_sse.client').client.client(), {name!r})]"
    )


def stats(kernel: CellKernel, name: str) -> dict[str, object]:
    return kernel.value(f"sse.stream({name!r}).stats()")


def end_of(kernel: CellKernel, name: str) -> dict[str, object]:
    """Wait for a stream's end."""
    return kernel.wait(f"sse.stream({name!r}).stats()['end']")
