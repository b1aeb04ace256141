"""The two ways out of the server, on which all rules are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.site import Site


def test_readers_take_the_path_that_they_are_said_to_take(site: Site, name: str):
    site.publish(name, 1)
    before = site.metrics()["http"]
    with site.read(f"/{name}") as reader:
        assert reader.values(1) == [1]
        after = site.metrics()["http"]
    other = {"handed_over": "portable", "portable": "handed_over"}[site.path]
    assert after[site.path] == before[site.path] + 1
    assert after[other] == before[other] == 0


def test_both_paths_write_the_same(handed_over_site: Site, portable_site: Site, name: str):
    """Byte for byte, but for the epoch, the reconnection time and the place of the stream among others."""
    written = []
    for site in (handed_over_site, portable_site):
        positions = site.post(name, "event: status\nid: own\ndata: 1\n\nretry: 77\ndata: a\ndata: \ndata: b\n\n")
        site.end(name)
        with site.read(f"/{name}", "of-nobody") as reader:
            body = reader.body()
        epoch = positions[1].partition("-")[0]
        first, _, rest = body.partition(b"\n\n")
        assert first.startswith(b"retry: ")
        rest = rest.replace(positions[0].encode(), b"P1").replace(positions[1].encode(), b"P2")
        assert epoch.encode() in rest
        written.append(rest.replace(epoch.encode(), b"E").partition(b'"at":')[0])
    assert written[0] == written[1]
    assert b"event: status\nid: own\ndata: 1\n\n" in written[0]
