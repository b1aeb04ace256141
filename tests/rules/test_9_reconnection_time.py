"""Section 4, paragraph 9: the reconnection time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_sse.server.app import SSEApp

if TYPE_CHECKING:
    from rules.site import Site


def test_reconnection_time_stands_at_the_start_of_each_connection(site: Site, name: str):
    [at] = site.publish(name, 1)
    site.publish(name, 2)
    for address, cursor in ((f"/{name}", ""), (f"/{name}", at), (f"?stream={name}", ""), (f"/{name}?control=1", at)):
        with site.read(address, cursor) as reader:
            first = reader.block()
            assert first.raw == f"retry: {first.retry}".encode()


def test_reconnection_time_has_jitter(site: Site, name: str):
    site.publish(name, 1)
    middle = SSEApp.reconnection_time.default_value
    told = []
    for _ in range(20):
        with site.read(f"/{name}") as reader:
            told.append(reader.block().retry)
    assert all(middle / 2 <= retry <= middle * 3 / 2 for retry in told)
    assert len(set(told)) > 10
