"""Section 4, paragraph 2: where a reader is resumed from, and where it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rules.site import Site


def test_last_event_id_header_comes_first(site: Site, name: str):
    at = site.publish(name, *range(1, 6))
    with site.read(f"/{name}@{at[0]}?last_event_id={at[1]}", at[3]) as reader:
        assert reader.values(1) == [5]
    with site.read(f"?stream={name}@{at[0]}&last_event_id={at[1]}", at[3]) as reader:
        assert reader.values(1) == [5]


def test_last_event_id_in_the_address_comes_second(site: Site, name: str):
    at = site.publish(name, *range(1, 6))
    with site.read(f"/{name}@{at[0]}?last_event_id={at[2]}") as reader:
        assert reader.values(2) == [4, 5]
    with site.read(f"?stream={name}@{at[0]}&last_event_id={at[2]}") as reader:
        assert reader.values(2) == [4, 5]


def test_cursor_of_the_stream_in_the_address_comes_third(site: Site, name: str):
    at = site.publish(name, *range(1, 6))
    with site.read(f"/{name}@{at[1]}") as reader:
        assert reader.values(3) == [3, 4, 5]
    other = site.publish(f"{name}/other", 6, 7)
    with site.read(f"?stream={name}@{at[3]}&stream={name}/other@{other[0]}") as reader:
        assert reader.values(2) == [5, 7]


def test_empty_last_event_id_is_none(site: Site, name: str):
    at = site.publish(name, 1, 2)
    with site.read(f"/{name}@{at[0]}?last_event_id=", "") as reader:
        assert reader.values(1) == [2]


def test_cursor_is_a_position_or_an_own_id(site: Site, name: str):
    positions = site.post(name, "id: a\ndata: 1\n\nid: b\ndata: 2\n\nid: c\ndata: 3\n\n")
    for cursor in ("a", positions[0]):
        for address, header in ((f"/{name}", cursor), (f"/{name}?last_event_id={cursor}", None)):
            with site.read(address, header) as reader:
                assert reader.values(2) == [2, 3]
                assert not reader.controls("sse.gap")


def test_own_id_is_looked_up_before_a_position(site: Site, name: str):
    at = site.publish(name, 1, 2, 3)
    site.post(name, f"id: {at[0]}\ndata: 4\n\ndata: 5\n\n")
    with site.read(f"/{name}", at[0]) as reader:
        assert reader.values(1) == [5]


def test_own_id_names_its_newest_event(site: Site, name: str):
    producer = site.open(name)
    for data, own in (("1", "x"), ("2", None), ("3", "x"), ("4", None)):
        producer.send(data, id=own)
    assert site.link.flush(20)
    with site.read(f"/{name}", "x") as reader:
        assert reader.values(1) == [4]


@pytest.mark.parametrize("own", ["größe", "a b", "a,b;c=d", "%41", "+", '"quoted"', "a\tb", "😀" * 32])
def test_own_id_resumes_whatever_it_is_made_of(site: Site, name: str, own: str):
    site.post(name, f"id: {own}\ndata: 1\n\ndata: 2\n\n")
    with site.read(f"/{name}", own) as reader:
        assert reader.values(1) == [2]
    address = site.server.client.build_request("GET", "/", params={"last_event_id": own}).url.query.decode()
    with site.read(f"/{name}?{address}") as reader:
        assert reader.values(1) == [2]


@pytest.mark.parametrize(
    ("start", "expected"),
    [("", [6, 7, 8, 9, 10]), ("@earliest", [6, 7, 8, 9, 10]), ("@-2", [9, 10]), ("@-5", [6, 7, 8, 9, 10])],
)
def test_start_chooses_what_a_newcomer_gets_of_the_history(site: Site, name: str, start: str, expected: list[int]):
    site.history_of(name, events=5, sent=10)
    for address in (f"/{name}{start}", f"?stream={name}{start}"):
        with site.read(address) as reader:
            assert reader.values(len(expected)) == expected


def test_latest_gets_only_what_comes(site: Site, name: str):
    producer = site.history_of(name, events=5, sent=10)
    with site.read(f"/{name}@latest") as single, site.read(f"?stream={name}@latest") as many:
        site.send(producer, 11)
        assert single.values(1) == [11]
        assert many.values(1) == [11]


@pytest.mark.parametrize("start", ["", "@earliest", "@latest", "@-1", "@-5", "@-1000"])
def test_start_is_no_cursor_and_so_never_a_gap(site: Site, name: str, start: str):
    producer = site.history_of(name, events=5, sent=30)
    with site.read(f"/{name}{start}") as single, site.read(f"?stream={name}{start}") as many:
        site.send(producer, "last")
        for reader in (single, many):
            while reader.values(1) != ["last"]:
                pass
            assert not reader.controls("sse.gap")
