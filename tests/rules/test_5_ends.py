"""Section 4, paragraph 5: how streams end, what the end's id does, and new runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from jupyter_sse import SSEError
from jupyter_sse.server.app import SSEApp
from rules.link_wire import LinkWire

if TYPE_CHECKING:
    from rules.reader import Block
    from rules.site import Site

SENDER = """
import sys, time
from jupyter_sse._rust import Link
path, name = sys.argv[1:]
link = Link(path, "mortal", "mortal.ipynb")
link.open(name, "run", "{}", 20).send("1")
assert link.flush(20)
print("sent", flush=True)
time.sleep(600)
"""


def end_of(site: Site, name: str) -> Block:
    """Return the end that a reader of an ended stream is told; the connection is closed after it."""
    with site.read(f"/{name}") as reader:
        *_, end = reader.all_blocks()
    assert end.event == "sse.end"
    return end


@pytest.mark.parametrize("reason", ["done", "stopped", "error", "lost"])
def test_end_tells_the_reason(site: Site, name: str, reason: str):
    site.open(name, "run").end(reason)
    end = end_of(site, name).json
    assert (end["stream"], end["reason"], end["status"], end["error"]) == (name, reason, None, None)


def test_end_by_an_error_tells_its_type_and_message(site: Site, name: str):
    site.kernel.run(f"%%sse {name}\nyield 1\n1 / 0")
    end = end_of(site, name).json
    assert end["reason"] == "error"
    assert (end["error"]["type"], end["error"]["message"]) == ("ZeroDivisionError", "division by zero")


def test_end_of_a_refused_stream_tells_the_status(site: Site, name: str):
    site.publish(f"{name}/there", 1)
    with site.read(f"?stream={name}/unknown&stream={name}/there") as reader:
        end = reader.control("sse.end").json
        assert (end["stream"], end["reason"], end["status"]) == (f"{name}/unknown", "refused", 404)
        assert set(end["error"]) == {"type", "message"}


def test_end_is_sent_when_no_producer_is_left_and_none_will_return(site: Site, name: str):
    second_link = site.new_link("rules-too")
    first, second = site.open(name), site.open(name, link=second_link)
    with site.read(f"/{name}") as reader:
        first.end("done")
        assert site.link.flush(20)
        second.send("1")
        assert second_link.flush(20)
        assert reader.values(1) == [1]
        second.end("done")
        assert reader.block().event == "sse.end"
        assert reader.block() is None
    second_link.close(1)


def test_end_on_a_connection_of_one_stream_has_a_reserved_id_that_names_the_run(site: Site, name: str):
    [at] = site.publish(name, 1)
    site.end(name)
    assert end_of(site, name).id == f"{at.epoch}-end-1"
    site.publish(name, 2)
    site.end(name)
    assert end_of(site, name).id == f"{at.epoch}-end-2"


def test_ids_of_the_form_of_an_ends_are_refused_as_own_ids(site: Site, name: str):
    producer = site.open(name)
    for own in ("01234567890-end-1", "zzzzzzzzzzz-end-999"):
        with pytest.raises(SSEError, match="end"):
            producer.send("x", id=own)
        assert site.try_post(f"{name}/posted", f"id: {own}\ndata: x\n\n").status_code == 400
    producer.send("1", id="0123456789-end-1")
    assert site.link.flush(20)
    with site.read(f"/{name}") as reader:
        assert reader.events(1)[0].id == "0123456789-end-1"


def test_hub_closes_after_the_end(site: Site, name: str):
    site.publish(name, 1)
    with site.read(f"/{name}") as early:
        early.values(1)
        site.end(name)
        assert early.block().event == "sse.end"
        assert early.block() is None
    with site.read(f"/{name}") as late:
        assert [block.event for block in late.all_blocks()] == [None, None, "sse.end"]


def test_exactly_the_ends_id_gets_204_on_return(site: Site, name: str):
    [at] = site.publish(name, 1)
    site.end(name)
    end_id = end_of(site, name).id
    for address, cursor in ((f"/{name}", end_id), (f"/{name}?last_event_id={end_id}", None), (f"/{name}@{end_id}", "")):
        with site.read(address, cursor) as reader:
            assert reader.status == 204
            assert not {"content-type", "content-length", "transfer-encoding"} & reader.headers.keys()
    others = [str(at), f"{at.epoch}-end-2", f"{at.epoch}-end-01", f"{'A' * 11}-end-1", f"{end_id}x", "of-nobody"]
    for cursor in others:
        with site.read(f"/{name}", cursor) as reader:
            assert reader.status == 200, cursor
            assert list(reader.all_blocks())[-1].event == "sse.end"


def test_new_run_clears_the_end_and_a_stale_end_id_replays_it_without_a_gap(site: Site, name: str):
    site.publish(name, 1)
    site.end(name)
    end_id = end_of(site, name).id
    site.publish(name, 2, 3)
    with site.read(f"/{name}", end_id) as reader:
        assert reader.status == 200
        assert reader.values(2) == [2, 3]
        assert not reader.controls("sse.gap")
        assert not reader.controls("sse.end")


def test_loss_of_a_link_is_said_at_once(site: Site, name: str):
    with LinkWire(site.server.link_path) as wire:
        link = site.new_link("far", wire.path)
        producer = site.open(name, "run", link=link)
        producer.send("1")
        with site.read(f"/{name}?control=1") as reader:
            reader.values(1)
            wire.cut()
            assert told_state(reader, "lost")
            # Its process is there, so it may come back, and does: nothing has ended, nothing is lost.
            producer.send("2")
            wire.mend()
            assert told_state(reader, "live")
            assert [block.json for block in reader.blocks if block.is_event] + reader.values(1) == [1, 2]
            assert not reader.controls("sse.end")
            assert not reader.controls("sse.gap")
        link.close(1)


def told_state(reader: object, state: str) -> bool:
    """Read until the producer's state is told to be this one."""
    while reader.control("sse.state").json["producer"] != state:
        pass
    return True


def test_end_as_lost_follows_when_the_process_is_gone(site: Site, name: str):
    command = [sys.executable, "-c", textwrap.dedent(SENDER), site.server.link_path, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:
        assert sender.stdout.readline() == b"sent\n"
        with site.read(f"/{name}?control=1") as reader:
            reader.values(1)
            sender.send_signal(signal.SIGKILL)
            *_, end = reader.all_blocks()
    assert (end.event, end.json["reason"]) == ("sse.end", "lost")


def test_running_a_cell_again_keeps_readers_and_the_history_starts_anew(site: Site, name: str):
    cell = f"%%sse {name}\nimport asyncio\nfor i in range(3):\n    yield [run, i]\nawait asyncio.sleep(600)"
    site.kernel.good("run = 1")
    site.kernel.good(cell)
    with site.read(f"/{name}?control=1") as reader:
        assert reader.values(3) == [[1, 0], [1, 1], [1, 2]]
        site.kernel.good("run = 2")
        site.kernel.good(cell)
        assert reader.control("sse.run").json["run"] == 2
        assert reader.values(3) == [[2, 0], [2, 1], [2, 2]]
        assert not reader.controls("sse.gap")
        assert not reader.controls("sse.end")
    with site.read(f"/{name}") as newcomer:
        assert newcomer.values(3) == [[2, 0], [2, 1], [2, 2]]
    site.end(name)
    assert end_of(site, name).json["reason"] == "stopped"


def test_stream_made_by_send_ends_by_close_or_delete(site: Site, name: str):
    for way in ("close", "stop"):
        site.kernel.good(f"sent = sse.stream('{name}/{way}'); sent.send(1); sent.flush()")
        with site.read(f"/{name}/{way}") as reader:
            reader.values(1)
            assert reader.next_within(0.1) is None
            if way == "close":
                site.kernel.good("sent.close()")
            else:
                site.end(f"{name}/{way}")
            end = reader.block()
            assert (end.event, end.json["reason"]) == ("sse.end", "done" if way == "close" else "stopped")


def test_stream_made_by_post_ends_by_delete(site: Site, name: str):
    site.publish(name, 1)
    with site.read(f"/{name}") as reader:
        reader.values(1)
        assert reader.next_within(0.1) is None
        site.end(name)
        assert reader.block().json["reason"] == "stopped"


def test_ended_streams_are_kept_for_24_hours(site: Site, name: str):
    assert SSEApp.ended_retention.default_value == 24 * 3600
    site.publish(name, 1)
    site.end(name)
    with site.read(f"/{name}") as reader:
        assert reader.values(1) == [1]
    assert site.describe(name)["state"] == "ended"


def test_reader_who_has_read_all_but_the_end_is_told_the_end(site: Site, name: str):
    [at] = site.publish(name, 1)
    site.end(name)
    with site.read(f"/{name}", at) as reader:
        assert [block.event for block in reader.all_blocks()] == [None, "sse.end"]
