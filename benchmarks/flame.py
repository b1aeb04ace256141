"""A flame graph of the hub's thread: `perf script --comm "jupyter_sse hub" | python -m benchmarks.flame > flame.svg`.

The widest frames are where the time goes; those of the system's kernel are grey.
"""

from __future__ import annotations

import re
import sys
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WIDTH, HEIGHT = 1200, 17
LEAST_SHARE = 0.004
"""Of all samples: narrower frames are left out."""

STYLE = "text{font:11px monospace;fill:#111}.ours{fill:#f2b661}.kernel{fill:#c5cbd3}rect{stroke:#fff;stroke-width:.5}"


class Frame:
    """A function, by whom it was called, and in how many samples."""

    def __init__(self) -> None:
        self.count = 0
        self.callees: dict[str, Frame] = {}

    def add(self, stack: Iterable[str]) -> None:
        """Count one sample, outermost function first."""
        frame = self
        frame.count += 1
        for name in stack:
            frame = frame.callees.setdefault(name, Frame())
            frame.count += 1


def stacks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Read what `perf script` prints: a line for each sample, then its frames, innermost first, then an empty line."""
    stack: list[str] = []
    for line in lines:
        found = re.match(r"\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$", line)
        if found and found[1] != "[unknown]":
            stack.append(short(found[1], found[2]))
        elif not line.strip() and stack:
            yield since_reactor(stack[::-1])
            stack = []


def short(function: str, library: str) -> str:
    """Name a function without its crate, and mark those of the system."""
    plain = re.sub(r"<impl [\w:]+::(\w+)>", r"\1", function.replace("jupyter_sse_", ""))
    return f"[k] {plain}" if library == "[kernel.kallsyms]" else plain


def since_reactor(stack: list[str]) -> list[str]:
    """Leave out how the thread was started."""
    start = next((at for at, name in enumerate(stack) if name.endswith("Reactor::run")), 0)
    return stack[start:]


def drawn(name: str, frame: Frame, left: float, level: int, scale: float) -> Iterator[tuple[int, str]]:
    """Draw a frame and, below it, what it calls; give each with its level."""
    width = frame.count * scale
    if width < LEAST_SHARE * WIDTH:
        return
    kind = "kernel" if name.startswith("[k] ") else "ours"
    share = f"{100 * width / WIDTH:.1f} %"
    label = escape(name.removeprefix("[k] ")[: int((width - 4) / 7)]) if width > 30 else ""
    top = level * HEIGHT
    box = f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{HEIGHT}"/>'
    text = f'<text x="{left + 3:.1f}" y="{top + 12}">{label}</text>'
    yield level, f"<g><title>{escape(name)}: {share}</title>{box}{text}</g>"
    for callee, child in sorted(frame.callees.items()):
        yield from drawn(callee, child, left, level + 1, scale)
        left += child.count * scale


def main() -> None:
    """Read samples from the standard input, write SVG."""
    root = Frame()
    for stack in stacks(sys.stdin):
        root.add(stack)
    if not root.count:
        sys.exit("expected samples of `perf script` on the standard input, got none")
    frames = list(drawn("the hub's thread", root, 0.0, 0, WIDTH / root.count))
    height = (max(level for level, _ in frames) + 1) * HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
    background = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    print(f"{head}<style>{STYLE}</style>{background}", *(text for _, text in frames), "</svg>", sep="\n")


if __name__ == "__main__":
    main()
