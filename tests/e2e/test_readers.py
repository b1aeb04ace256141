"""One stream, many readers: a second notebook, a page's EventSource, curl and the card get the same events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from curl import Curl
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from e2e.lab import Lab
    from e2e.wire import Wire

TICK = """
import time

n = 0
while True:
    n += 1
    yield {"value": n, "text": "two\\nlines, ä, \\u2028, 😀"}
    time.sleep(0.02)
"""

SUBSCRIBE = """
import json
import jupyter_sse as sse

got = []
async for event in sse.subscribe("{name}"):
    got.append((event.id, event.data))
    if len(got) == {count}:
        break
print(json.dumps(got))
"""

OPEN_EVENT_SOURCE = """url => {
    globalThis.got = [];
    globalThis.source = new EventSource(url);
    source.onmessage = event => got.push([event.lastEventId, event.data]);
}"""


def open_plain_page(lab: Lab) -> Page:
    """Open a page of the server's origin that is none of Jupyter's."""
    page = lab.new_tab()
    page.route("**/plain.html", lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
    page.goto("plain.html")
    return page


def test_second_kernel_event_source_curl_and_card_get_the_same_events(lab: Lab, notebook_file: Callable[..., str]):
    producer = lab.open(notebook_file("producer", load="%load_ext jupyter_sse", tick=TICK))
    producer.run("load")
    producer.run("tick")
    card = producer.card("tick").wait_until_shown()
    card.wait_for_events(20)
    name = producer.stream_of("tick")
    reader = lab.open(notebook_file("reader", subscribe=SUBSCRIBE.format(name=name, count=150)))
    page = open_plain_page(lab)
    page.evaluate(OPEN_EVENT_SOURCE, f"sse/{name}")
    with Curl(producer.url_of("tick")) as curl:
        subscribed = [tuple(pair) for pair in json.loads(reader.run("subscribe"))]
        card.wait_for_events(200)
        page.wait_for_function("() => got.length >= 200")
        of_page = [tuple(pair) for pair in page.evaluate("() => got")]
        printed = curl.wait_for(max(len(of_page), card.events))
    assert subscribed == printed[:150]
    assert of_page == printed[: len(of_page)]
    assert card.check_same_as(printed) >= 200


def test_event_source_comes_back_after_an_outage_and_stays_away_after_the_end(
    far_lab: Lab, wire: Wire, notebook_file: Callable[..., str]
):
    producer = far_lab.open(notebook_file("outage", load="%load_ext jupyter_sse", tick=TICK))
    producer.run("load")
    producer.run("tick")
    card = producer.card("tick").wait_until_shown()
    page = open_plain_page(far_lab)
    page.evaluate(OPEN_EVENT_SOURCE, f"sse/{producer.stream_of('tick')}")
    with Curl(producer.url_of("tick")) as curl:
        page.wait_for_function("() => got.length >= 20")
        wire.cut()
        page.wait_for_function("() => source.readyState === EventSource.CONNECTING")
        card.wait_for_state("reconnecting")
        curl.wait_for(len(curl.data()) + 50)
        wire.mend()
        card.wait_for_state("live")
        page.wait_for_function("() => source.readyState === EventSource.OPEN")
        card.stop()
        card.wait_for_state("stopped")
        curl.wait_for_end()
        # The answer 204 tells an EventSource not to come again.
        page.wait_for_function("() => source.readyState === EventSource.CLOSED")
    of_page = [tuple(pair) for pair in page.evaluate("() => got")]
    assert of_page == curl.data()
    assert card.events == len(of_page)
    assert card.lost == 0
    card.check_same_as(of_page)


def test_page_holds_one_connection_for_all_its_views(lab: Lab, notebook_file: Callable[..., str]):
    names = [f"connections/{letter}" for letter in "abcdefgh"]
    send = f"import jupyter_sse as sse\nstreams = [sse.stream(name) for name in {names}]\n[s.send(1) for s in streams]"
    views = {f"view{number}": f"%sse view {name}" for number, name in enumerate(names)}
    notebook = lab.open(notebook_file("connections", load="%load_ext jupyter_sse", send=send, **views))
    notebook.run("load")
    notebook.run("send")
    for cell_id in views:
        notebook.run(cell_id)
    for cell_id in views:
        notebook.card(cell_id).wait_until_shown().wait_for_events(1)
    metrics = lab.server.client.get("api/sse/metrics").json()
    assert metrics["connections"] == 1
    # A seventh connection would hang: saving would too.
    notebook.save()


def test_events_of_a_stream_never_become_html(lab: Lab, notebook_file: Callable[..., str]):
    evil = '<img src=x onerror=\\"globalThis.isHacked = true\\">'
    cells = {
        "log": f'%%sse evil/log\nyield "{evil}"',
        "table": f'%%sse evil/table --view table\nyield {{"{evil}": "{evil}"}}',
        "value": f'%%sse evil/value --view value\nyield "{evil}"',
        "plot": f'%%sse evil/plot --view plot\nyield {{"{evil}": 1}}\nyield {{"{evil}": 2}}',
        "raw": f'%%sse evil/raw --view raw\nyield {{"a": ["{evil}"]}}',
    }
    notebook = lab.open(notebook_file("evil", load="%load_ext jupyter_sse", **cells))
    notebook.run("load")
    for cell_id in cells:
        notebook.run(cell_id)
        card = notebook.card(cell_id).wait_until_shown()
        card.wait_for_state("ended")
        # Drawn where it can be seen, in the next frame.
        card.locator.scroll_into_view_if_needed()
        expect(card.locator).to_contain_text("<img")
    assert notebook.page.evaluate("() => globalThis.isHacked") is None
    assert notebook.page.locator("img[src=x]").count() == 0
