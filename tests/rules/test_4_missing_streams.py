"""Section 4, paragraph 4: bad cursors, streams that are not there, and limits."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from rules.conftest import MAX_CONNECTIONS
from rules.site import Position

if TYPE_CHECKING:
    from rules.site import Site

BAD_CURSORS = [
    b"nonsense",
    b"-",
    b"-1-1",
    b"00000000000-0-0",
    b"00000000000-99999999999999999999999-1",
    b"zzzzzzzzzzz-1-1-1",
    b"\xff\xfe not UTF-8",
    b"\xed\xa0\x80",
    b"x" * 10_000,
]


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_bad_cursor_is_never_a_4xx(site: Site, name: str, cursor: bytes):
    site.publish(name, 1)
    quoted = "".join(f"%{byte:02x}" for byte in cursor)
    ways = [(f"/{name}", cursor), (f"?stream={name}", cursor), (f"/{name}?last_event_id={quoted}", None)]
    ways += [(f"?stream={name}@x{quoted}", None), (f"/{name}@x{quoted}", None)]
    for address, header in ways:
        with site.read(address, header) as reader:
            assert reader.status == 200, address[:200]
            assert reader.values(1) == [1]
            assert len(reader.controls("sse.gap")) == 1


@pytest.mark.parametrize("cursor", ["00000000000-5-5", "own-id"])
def test_returning_reader_of_a_missing_stream_gets_the_gap_and_waits_for_it(site: Site, name: str, cursor: str):
    with site.read(f"/{name}", cursor) as header, site.read(f"/{name}@{cursor}") as address:
        for reader in (header, address):
            assert reader.status == 200
            gap = reader.control("sse.gap").json
            assert (gap["stream"], gap["requested"], gap["resumed"]) == (name, cursor, None)
        site.publish(name, 1)
        assert header.values(1) == address.values(1) == [1]


def test_reader_with_wait_gets_200_and_waits_for_the_stream(site: Site, name: str):
    with site.read(f"/{name}?wait=1") as reader:
        assert reader.status == 200
        assert reader.block().retry is not None
        site.publish(name, 1, 2)
        assert reader.values(2) == [1, 2]
        assert not reader.controls("sse.gap")


@pytest.mark.parametrize("start", ["", "@earliest", "@latest", "@-3", "?last_event_id="])
def test_newcomer_to_an_unknown_stream_gets_404(site: Site, name: str, start: str):
    answer = site.server.client.get(f"sse/{name}{start}")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "unknown"


def test_limits_refuse_newcomers_only(site: Site, name: str):
    [at] = site.publish(name, 1)
    site.publish(name, 2)
    with ExitStack() as connected:
        for _ in range(MAX_CONNECTIONS + 1):
            last = connected.enter_context(site.read(f"/{name}"))
            if last.status != 200:
                break
        assert last.status == 503
        assert last.headers["retry-after"].isdigit()
        for address, cursor in ((f"/{name}", at), (f"/{name}@{at}", None), (f"?stream={name}", at)):
            returning = connected.enter_context(site.read(address, cursor))
            assert returning.status == 200
            assert returning.values(1) == [2]
        # Who is in stays in.
        site.publish(name, 3)
        assert returning.values(1) == [3]


def test_position_of_a_stream_that_is_gone_is_no_4xx(site: Site, name: str):
    [at] = site.publish(f"{name}/other", 1)
    with site.read(f"/{name}", Position(at.epoch, at.seq, at.n)) as reader:
        assert reader.status == 200
        site.publish(name, 1)
        assert reader.values(1) == [1]
