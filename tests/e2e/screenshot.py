"""Pictures of the pages, for people to look at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FOLDER_VARIABLE = "SSE_SCREENSHOTS"
"""Where the pictures go; none are taken where it is not set."""


class Screenshots:
    """Takes pictures, if somebody wants to see them."""

    def __init__(self) -> None:
        folder = os.environ.get(FOLDER_VARIABLE)
        self._folder = Path(folder) if folder else None

    def take(self, what: Page | Locator, name: str) -> None:
        """Keep a picture of a page or an element as ``<name>.png``."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            what.screenshot(path=self._folder / f"{name}.png")
