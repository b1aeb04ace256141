"""How the views look, light and dark: something is drawn, every text can be read, nothing lies on anything else.

With SSE_SCREENSHOTS set to a folder, pictures of all of them are kept there, to be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.card import Card
    from e2e.lab import Lab
    from e2e.screenshot import Screenshots

CELLS = {
    "loss": """%%sse NAME --view plot --x step
import math, random
for step in range(2000):
    decay = math.exp(-step / 500)
    yield {"step": step, "train/loss": 0.2 + decay * random.uniform(0.95, 1.05), "val/loss": 0.35 + decay, "lr": decay}
    if step == 900:
        yield {"event": "mark", "data": "checkpoint"}
""",
    "live": """%%sse NAME
import math, time
n = 0
while True:
    n += 1
    yield {"sin": math.sin(n / 20), "cos": math.cos(n / 20)}
    time.sleep(0.02)
""",
    "many": """%%sse NAME --view plot --x step
import math
for step in range(500):
    yield {"step": step, **{f"sensor {k}": math.sin(step / 60 + k / 4) * (1 + k / 8) for k in range(16)}}
""",
    "log": """%%sse NAME
for n in range(30):
    level = ("DEBUG", "INFO", "WARNING", "ERROR")[n % 4]
    yield {"level": level, "message": f"request {n} took {n * 37 % 100} ms"}
""",
    "table": """%%sse NAME
for n in range(40):
    city, country = (("Ulm", "DE"), ("Wien", "AT"), ("Bern", "CH"))[n % 3]
    yield {"order": f"A-{n:04}", "city": city, "country": country, "sum": n * 1.5}
""",
    "value": """%%sse NAME --view value
for n in range(60):
    yield {"temperature_c": 20 + n % 7 / 3}
""",
    "progress": """%%sse NAME
for n in range(31):
    yield {"n": n, "total": 50}
""",
    "raw": """%%sse NAME
for n in range(5):
    yield {"nested": {"deep": {"numbers": [n, n + 1], "text": "ä"}}}
""",
    "failed": """%%sse NAME
import time
for n in range(20):
    yield {"value": n * n}
    time.sleep(0.06)
raise ValueError("bad batch")
""",
    "waiting": """%%sse NAME
import time
time.sleep(600)
yield 1
""",
}

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

LOW_CONTRAST = """card => {
    // WCAG 2: relative luminance and contrast ratio.
    const channel = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    // "rgb(56, 142, 60)", or "color(srgb 0.2 0.5 0.2)" for a mixed colour.
    const parse = color => {
        const [r, g, b, alpha = 1] = color.match(/[\\d.]+/g).map(Number);
        return color.startsWith('color(') ? [255 * r, 255 * g, 255 * b, alpha] : [r, g, b, alpha];
    };
    const luminance = ([r, g, b]) =>
        0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
    const background = node => {
        for (; node !== null; node = node.parentElement) {
            const color = parse(getComputedStyle(node).backgroundColor);
            if (color[3] === 1) {
                return color;
            }
        }
        return [255, 255, 255];
    };
    const found = [];
    const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        const isShown = walker.currentNode.data.trim() !== '' && node.checkVisibility();
        if (!isShown || node.closest('button:disabled') !== null) {
            continue;
        }
        const one = luminance(parse(getComputedStyle(node).color));
        const other = luminance(background(node));
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) {
            found.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
        }
    }
    return found;
}"""

OVERLAPS = """card => {
    const parts = [...card.querySelector('.jp-SseView-header').children].filter(part => part.checkVisibility());
    const boxes = parts.map(part => part.getBoundingClientRect()).filter(box => box.width > 0);
    const card_box = card.getBoundingClientRect();
    const found = [];
    boxes.forEach((box, number) => {
        if (box.right > card_box.right + 0.5 || box.left < card_box.left - 0.5) {
            found.push(`part ${number} leaves the card`);
        }
        if (number > 0 && box.left < boxes[number - 1].right - 0.5) {
            found.push(`part ${number} lies on the one before it`);
        }
    });
    for (const value of card.querySelectorAll('.jp-SseView-valueText, .jp-SseView-progressShare')) {
        const box = value.getBoundingClientRect();
        const room = card.querySelector('.jp-SseView-middle').getBoundingClientRect();
        if (box.width === 0 || box.left < room.left || box.right > room.right) {
            found.push(`${value.textContent} is cut off`);
        }
    }
    if (card.scrollWidth > card.clientWidth) {
        found.push('the card is wider than its place');
    }
    return found;
}"""


def faults_of(card: Card, what: str) -> list[str]:
    """Return what is wrong with the looks of a card."""
    found = card.locator.evaluate(LOW_CONTRAST) + card.locator.evaluate(OVERLAPS)
    if card.kind == "plot" and card.events > 0 and card.painted_colors() < 2:
        found.append("nothing is drawn")
    return [f"{what}: {fault}" for fault in found]


@pytest.mark.timeout(240)
def test_views_can_be_read_in_light_and_dark_and_on_narrow_pages(
    lab: Lab, notebook_file: Callable[..., str], screenshots: Screenshots
):
    path = notebook_file("looks", load="%load_ext jupyter_sse")
    prefix = path.removesuffix(".ipynb")
    notebook = lab.open(path)
    notebook.run("load")
    for cell_id, source in CELLS.items():
        notebook.run(notebook.add(cell_id, source.replace("NAME", f"{prefix}/{cell_id}")))
    cards = {cell_id: notebook.card(cell_id).wait_until_shown() for cell_id in CELLS}
    cards["live"].wait_for_events(100)
    cards["failed"].wait_for_state("failed")
    faults: list[str] = []
    for theme, name in THEMES.items():
        notebook.set_theme(name)
        for cell_id, card in cards.items():
            notebook.cell(cell_id).scroll_into_view_if_needed()
            card.locator.scroll_into_view_if_needed()
            screenshots.take(card.locator, f"{theme}-{cell_id}")
            faults += faults_of(card, f"{cell_id}, {theme}")
        screenshots.take(notebook.page, f"{theme}-page")
    # A card as in one half of a divided page.
    notebook.page.set_viewport_size({"width": 800, "height": 900})
    for cell_id, card in cards.items():
        card.locator.scroll_into_view_if_needed()
        screenshots.take(card.locator, f"narrow-{cell_id}")
        faults += faults_of(card, f"{cell_id}, narrow")
    assert not faults, "\n".join(faults)
