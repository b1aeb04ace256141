"""The live view of a stream, as it stands below a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Locator, Page

PAINTED_COLORS = """canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const counts = new Map();
    for (const pixel of new Uint32Array(data.buffer)) {
        if (pixel >>> 24 === 255) {
            counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
        }
    }
    return [...counts.values()].filter(count => count >= 20).length;
}"""

BAND_PIXELS = """canvas => {
    // The colour of warnings, thinly over nothing.
    const probe = document.createElement('span');
    probe.style.color = 'var(--jp-warn-color1)';
    canvas.parentElement.append(probe);
    const color = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
    probe.remove();
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
        const isThin = data[i + 3] > 24 && data[i + 3] < 38;
        if (isThin && color.every((part, k) => Math.abs(part - data[i + k]) < 12)) {
            count++;
        }
    }
    return count;
}"""

GONE = ("lost", "gone", "stopped")
"""States that say: nobody produces any more."""


class Card:
    """A card. Its data are read through the model that the extension leaves at its element.

    Attributes:
        locator: The card's element; there is exactly one.
    """

    def __init__(self, page: Page, locator: Locator) -> None:
        self.page = page
        self.locator = locator

    def part(self, name: str) -> Locator:
        """Return a part of the card by the end of its class."""
        return self.locator.locator(f".jp-SseView-{name}")

    def wait_until_shown(self) -> Card:
        """Wait until there is one card, and no other."""
        expect(self.locator).to_have_count(1)
        return self

    # --- what it says --------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The state in the header."""
        return self.part("state").get_attribute("data-state")

    def wait_for_state(self, *states: str, timeout: float = 30.0) -> None:
        """Wait until the header shows one of these states."""
        wanted = ", ".join(f'.jp-SseView-state[data-state="{state}"]' for state in states)
        expect(self.locator.locator(wanted)).to_be_visible(timeout=timeout * 1000)

    @property
    def kind(self) -> str:
        """The kind of view in the header."""
        return self.locator.locator(".jp-SseView-header button[data-kind]").get_attribute("data-kind")

    def legend(self) -> dict[str, str]:
        """Return the values in a plot's legend."""
        return self.locator.evaluate(
            """node => Object.fromEntries([...node.querySelectorAll('.jp-SseView-legendEntry')].map(entry => [
                entry.querySelector('.jp-SseView-legendName').textContent.replace(' →', ''),
                entry.querySelector('.jp-SseView-legendValue').textContent]))"""
        )

    def button(self, name: str) -> Locator:
        """Return the button beside a sentence."""
        return self.locator.get_by_role("button", name=name, exact=True)

    def stop(self) -> None:
        """Press the stop button."""
        self.locator.get_by_role("button", name="Stop the stream").click()

    # --- what it knows -------------------------------------------------------------------------------------------

    @property
    def run(self) -> int | None:
        """The run of its stream."""
        return self.locator.evaluate("node => node.sseModel.run")

    @property
    def events(self) -> int:
        """How many events of the run it has got."""
        return self.locator.evaluate("node => node.sseModel.events")

    @property
    def lost(self) -> int:
        """How many events it was told to have lost."""
        return self.locator.evaluate("node => node.sseModel.lost")

    def wait_for_events(self, count: int, timeout: float = 30.0) -> int:
        """Wait until at least ``count`` events of the run have come; return how many there are."""
        self.page.wait_for_function(
            "([node, count]) => node.sseModel.events >= count",
            arg=[self.locator.element_handle(), count],
            timeout=timeout * 1000,
        )
        return self.events

    def wait_for_more_events(self, count: int = 5, timeout: float = 30.0) -> int:
        """Wait until ``count`` more events have come than there are now."""
        return self.wait_for_events(self.events + count, timeout)

    def wait_for_run(self, run: int) -> None:
        """Wait until the card shows a run."""
        self.page.wait_for_function(
            "([node, run]) => node.sseModel.run === run", arg=[self.locator.element_handle(), run]
        )

    def data(self) -> list[tuple[str | None, str]]:
        """Return id and data of the run's events, none of them missing; events of a replay come without their ids."""
        count, pairs = self.locator.evaluate(
            "node => [node.sseModel.events, [...node.sseModel.recent].map(event => [event.id, event.data])]"
        )
        assert len(pairs) == count
        return [(event_id, data) for event_id, data in pairs]

    def check_same_as(self, others: Sequence[tuple[str, str]]) -> int:
        """Check that the card's events are those of another reader from the first on, as far as both have come.

        Returns:
            How many were compared.
        """
        mine = self.data()
        count = min(len(mine), len(others))
        for ordinal, ((own_id, own_data), (other_id, other_data)) in enumerate(zip(mine, others, strict=False)):
            assert own_data == other_data, f"event {ordinal} of {count}"
            assert own_id in (None, other_id), f"event {ordinal} of {count}"
        return count

    # --- what it draws -------------------------------------------------------------------------------------------

    def canvas(self) -> Locator:
        """Return the plot's canvas."""
        return self.locator.locator("canvas").first

    def picture(self) -> str:
        """Return the plot's pixels as a data URL."""
        return self.canvas().evaluate("canvas => canvas.toDataURL()")

    def painted_colors(self) -> int:
        """Return how many colors each cover at least 20 pixels of the plot: 0 for an empty canvas."""
        return self.canvas().evaluate(PAINTED_COLORS)

    def wait_until_painted(self) -> None:
        """Wait until the plot has been drawn."""
        self.page.wait_for_function(f"canvas => ({PAINTED_COLORS})(canvas) > 0", arg=self.canvas().element_handle())

    def wait_for_gap(self, *, shown: bool = True) -> None:
        """Wait until the plot shows, or does not show, the band of a gap."""
        self.page.wait_for_function(
            f"([canvas, shown]) => ({BAND_PIXELS})(canvas) > 200 === shown",
            arg=[self.canvas().element_handle(), shown],
        )
