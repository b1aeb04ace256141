"""A page of the server in a browser, with the JavaScript of the founding document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from running_server import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from running_server import JupyterServer

LISTEN = """([url, types, last]) => {
    const said = [];
    const eventSource = new EventSource(url);
    eventSource.onopen = () => said.push(['(open)', null]);
    eventSource.onerror = event => event.data === undefined && eventSource.readyState === EventSource.CLOSED
        && said.push(['(closed)', null]);
    for (const type of types) {
        eventSource.addEventListener(type, event => {
            if (event.data === undefined) return;
            said.push([type, event.data]);
            if (type === last) eventSource.close();
        });
    }
    const sources = globalThis.sources ??= [];
    sources.push({eventSource, said});
    return sources.length - 1;
}"""


class Page:
    """One tab in a profile of its own, logged in by cookie."""

    def __init__(self, browser: Browser, server: JupyterServer) -> None:
        self._context = browser.new_context()
        self._base = server.base_url
        address = server.url.removesuffix("/")
        assert self._context.request.get(f"{address}/api/status?token={server.token}").ok
        self._tab = self._context.new_page()
        self._tab.goto(f"{address}/login")

    def listen(self, name: str, *types: str, last: str | None = None) -> Heard:
        """Open an EventSource and listen to types of events; close it at the first of type ``last``."""
        number = self._tab.evaluate(LISTEN, [f"{self._base}sse/{name}", types, last])
        return Heard(self, number)

    def said(self, number: int) -> list[tuple[str, str]]:
        """Return what an EventSource has got, type and data."""
        return [tuple(one) for one in self._tab.evaluate(f"() => sources[{number}].said")]

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Run a script in the page."""
        return self._tab.evaluate(script, argument)

    def close(self) -> None:
        """Close the tab and its connections."""
        self._context.close()


class Heard:
    """What one EventSource has got."""

    def __init__(self, page: Page, number: int) -> None:
        self._page, self._number = page, number

    @property
    def events(self) -> list[tuple[str, str]]:
        """Type and data of its events so far."""
        return [one for one in self._page.said(self._number) if not one[0].startswith("(")]

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        """Wait until it has got ``count`` events."""
        wait_until(lambda: len(self.events) >= count, f"{count} events; got {self.events}")
        return self.events

    def wait_until_closed(self) -> None:
        """Wait until it has given up by itself."""
        wait_until(lambda: ("(closed)", None) in self._page.said(self._number), "the EventSource is closed")

    @property
    def connections(self) -> int:
        """How often it was let in."""
        return sum(1 for one in self._page.said(self._number) if one[0] == "(open)")
