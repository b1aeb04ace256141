"""Many tabs of one browser: one stream connection for all of them, and every event in each."""

from __future__ import annotations

import json
import threading
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest
from running_server import JupyterServer, wait_until

from e2e.lab import Lab
from e2e.notebook import write_notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from e2e.card import Card
    from e2e.notebook import Notebook
    from e2e.screenshot import Screenshots

PERIOD = 0.2
"""Seconds between two events of a stream."""

NO_SHARED_WORKER = "delete globalThis.SharedWorker;"
NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', {get: () => undefined});"

HIDE = """isHidden => {
    const state = isHidden ? 'hidden' : 'visible';
    Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => state});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


class Publisher:
    """Publishes ``{"n": 1}``, ``{"n": 2}``, … to each of some streams, from a thread of its own. A context manager.

    Attributes:
        names: The streams.
        count: Events of each so far.
    """

    def __init__(self, server: JupyterServer, *names: str) -> None:
        self._server = server
        self.names = names
        self.count = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def __enter__(self) -> Publisher:
        self._publish_once()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Publish no more; return how many events each stream has."""
        self._is_over.set()
        self._thread.join()
        return self.count

    def _publish(self) -> None:
        while not self._is_over.wait(PERIOD):
            self._publish_once()

    def _publish_once(self) -> None:
        for name in self.names:
            self._server.publish(name, {"n": self.count + 1})
        self.count += 1


def open_with_views(lab: Lab, path: str, names: tuple[str, ...]) -> Notebook:
    """Open a notebook that has no cells yet but the first, give it a view of each stream, and save it."""
    notebook = lab.open(path)
    notebook.run("load")
    for number, name in enumerate(names):
        notebook.run(notebook.add(f"view{number}", f"%sse view {name} --view log"))
    notebook.save()
    return notebook


def cards_of(notebook: Notebook, names: tuple[str, ...]) -> list[Card]:
    """Return a tab's views, all live."""
    cards = [notebook.card(f"view{number}").wait_until_shown() for number in range(len(names))]
    for card in cards:
        card.wait_for_state("live", timeout=60)
    return cards


def check_all(cards: list[Card], count: int) -> None:
    """Check that each view has every event once, in order, and was told of no loss."""
    for card in cards:
        card.wait_for_events(count, timeout=60)
        assert [json.loads(data)["n"] for _, data in card.data()] == list(range(1, count + 1))
        assert card.lost == 0


def connections(server: JupyterServer) -> int:
    """Return how many readers the server has now."""
    return server.client.get("api/sse/metrics").json()["connections"]


def wait_for_connections(server: JupyterServer, count: int) -> None:
    """Wait until that many readers are connected: tabs are brought up one after the other, by short readings."""
    wait_until(lambda: connections(server) == count, f"{count} connections", timeout=60)


@pytest.mark.timeout(600)
def test_eight_tabs_with_live_views_hold_one_connection_and_get_every_event(
    lab: Lab, notebook_file: Callable[..., str], screenshots: Screenshots
):
    prefix = notebook_file("many", load="%load_ext jupyter_sse").removesuffix(".ipynb")
    names = tuple(f"{prefix}/{number}" for number in range(6))
    shown = {f"{prefix}.ipynb": names[:4], notebook_file("others", load="%load_ext jupyter_sse"): names[2:]}
    with Publisher(lab.server, *names) as publisher:
        tabs = [(open_with_views(lab, path, some), some) for path, some in shown.items()]
        tabs += [(lab.open(path), some) for path, some in shown.items() for _ in range(3)]
        assert len(lab.context.pages) == 8
        cards = [(tab, cards_of(tab, some)) for tab, some in tabs]
        wait_for_connections(lab.server, 1)
        assert {tab.connection()["holder"] for tab, _ in tabs} == {"worker"}
        assert len(tabs[0][0].connection()["shared"]["tabs"]) == 8

        # With a connection for each tab this would wait for ever: a browser makes six to a host.
        tabs[0][0].page.bring_to_front()
        tabs[0][0].run_code("print(1 + 1)")
        tabs[0][0].save()

        hidden = tabs[5][0].page
        hidden.evaluate(HIDE, True)
        tabs[0][0].page.close()
        for _, some in cards[1:]:
            some[0].wait_for_more_events(20)
        hidden.evaluate(HIDE, False)
        assert connections(lab.server) == 1
        screenshots.take(tabs[1][0].page, "many-tabs")
        count = publisher.stop()
        for _, some in cards[1:]:
            check_all(some, count)
    for tab, _ in tabs[1:]:
        tab.page.close()
    wait_for_connections(lab.server, 0)


@pytest.mark.timeout(300)
def test_tabs_without_shared_workers_share_the_connection_of_one_of_them_and_survive_it(
    lab: Lab, notebook_file: Callable[..., str]
):
    lab.context.add_init_script(NO_SHARED_WORKER)
    path = notebook_file("led", load="%load_ext jupyter_sse")
    names = (f"{path}/a", f"{path}/b")
    with Publisher(lab.server, *names) as publisher:
        first = open_with_views(lab, path, names)
        tabs = [first, lab.open(path), lab.open(path)]
        cards = [cards_of(tab, names) for tab in tabs]
        wait_for_connections(lab.server, 1)
        assert [tab.connection()["holder"] for tab in tabs] == ["this-tab", "other-tab", "other-tab"]
        first.page.close()
        for some in cards[1:]:
            some[0].wait_for_more_events(20)
        wait_for_connections(lab.server, 1)
        assert {tab.connection()["holder"] for tab in tabs[1:]} == {"this-tab", "other-tab"}
        count = publisher.stop()
        for some in cards[1:]:
            check_all(some, count)


@pytest.mark.timeout(300)
def test_tabs_without_shared_workers_and_locks_have_a_connection_each(lab: Lab, notebook_file: Callable[..., str]):
    lab.context.add_init_script(NO_SHARED_WORKER + NO_LOCKS)
    path = notebook_file("alone", load="%load_ext jupyter_sse")
    names = (f"{path}/a", f"{path}/b")
    with Publisher(lab.server, *names) as publisher:
        tabs = [open_with_views(lab, path, names), lab.open(path)]
        cards = [cards_of(tab, names) for tab in tabs]
        wait_for_connections(lab.server, 2)
        assert {tab.connection()["holder"] for tab in tabs} == {"own"}
        count = publisher.stop()
        for some in cards:
            check_all(some, count)


@pytest.fixture
def mortal_lab(browser: Browser) -> Iterator[Lab]:
    """A user of a server of his own, below a base URL, whose browser keeps no cookies: the token is all his login."""
    server = JupyterServer("--LabApp.expose_app_in_browser=True", module="jupyterlab", base_url="/user/ada/").start()
    user = Lab(server, browser)
    yield user
    user.context.close()
    server.stop()


@pytest.mark.timeout(300)
def test_restarted_server_brings_all_tabs_back_by_token_alone_with_the_gap_announced(mortal_lab: Lab):
    server = mortal_lab.server
    write_notebook(server.root / "mortal.ipynb", {"load": "%load_ext jupyter_sse"})
    names = ("mortal/a", "mortal/b")
    for name in names:
        server.publish(name, {"n": 1}, {"n": 2})
    tabs = [open_with_views(mortal_lab, "mortal.ipynb", names), mortal_lab.open("mortal.ipynb")]
    mortal_lab.context.clear_cookies()
    cards = [card for tab in tabs for card in cards_of(tab, names)]
    for card in cards:
        card.wait_for_events(2)
    assert {tab.connection()["holder"] for tab in tabs} == {"worker"}
    server.end(SIGKILL)
    server.client = server.make_client(headers={"Authorization": f"token {server.token}"})
    for card in cards:
        card.wait_for_state("reconnecting")
    server.start()
    for name in names:
        server.publish(name, {"n": 3})
    for card in cards:
        card.wait_for_state("live", timeout=60)
        card.locator.page.wait_for_function(
            "node => [...node.sseModel.recent].at(-1)?.data === '{\"n\":3}' && node.sseModel.gaps.length === 1",
            arg=card.locator.element_handle(),
        )
    wait_for_connections(server, 1)
