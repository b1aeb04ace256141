"""How a part is to be measured, and where it may write."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp


@dataclass(frozen=True)
class Setting:
    """What the command line says to all parts.

    Attributes:
        is_quick: Small and short: to see that everything runs, not for figures.
        seconds: How long the soak lasts, and the page is watched.
        peers: Whom to measure beside us, by name.
        folder: Logs and temporary files.
    """

    is_quick: bool = False
    seconds: float = 600.0
    peers: tuple[str, ...] = ()
    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="sse-bench-")))

    def log(self, name: str) -> Path:
        """Return where a program's messages go."""
        return self.folder / f"{name}.log"

    def pick(self, usual: int, quick: int) -> int:
        """Return a size or a number of rounds."""
        return quick if self.is_quick else usual
