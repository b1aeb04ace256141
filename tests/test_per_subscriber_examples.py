"""What the guides of web frameworks stream for each connection, from a notebook: as their readers would write it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from running_kernel import ServedKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

CONDITIONAL = """
preferences = {1: "temperature", 2: "humidity"}
updates = [{"id": i, "kind": kind, "value": i * 10} for i, kind in enumerate(["temperature", "humidity"] * 3)]


@sse.per_subscriber("user-specific-stream/{user_id}", ping_interval=30)
async def user_stream(user_id: int):
    if user_id not in preferences:
        raise sse.HTTPError(404, f"no user {user_id}")
    shown = 0
    while True:
        for update in updates[shown:]:
            if update["kind"] == preferences[user_id]:
                yield {"data": update, "event": "update", "id": f"user-{user_id}-{update['id']}"}
        shown = len(updates)
        await asyncio.sleep(0.05)
"""

MANAGED = """
import itertools

active_connections = set()
cleaned_up = []
numbers = itertools.count()


async def cleanup(request):
    active_connections.discard(request.connection)
    cleaned_up.append(request.connection)


@sse.per_subscriber("managed-stream", background=cleanup)
async def managed_stream(request):
    active_connections.add(request.connection)
    try:
        yield {"data": {"connection_id": request.connection}, "event": "connected", "id": "connect"}
        while request.connection in active_connections:
            number = next(numbers)
            yield {"data": {"id": number}, "event": "data", "id": number}
            await asyncio.sleep(0.02)
    finally:
        active_connections.discard(request.connection)
"""

EFFICIENT = """
produced = 0


async def get_large_dataset_chunks():
    global produced
    for chunk in range(200):
        produced += 1000
        yield [{"id": chunk * 1000 + i} for i in range(1000)]


@sse.per_subscriber("memory-efficient-stream")
async def memory_efficient_stream():
    async for chunk in get_large_dataset_chunks():
        for item in chunk:
            yield {"data": item, "event": "data", "id": item["id"]}
"""

LIMITED = """
from collections import Counter

connection_counts = Counter()


@sse.per_subscriber("rate-limited-stream")
async def rate_limited_stream(request):
    if connection_counts[request.address] >= 5:
        raise sse.HTTPError(429, "Too many connections", {"Retry-After": 60})
    connection_counts[request.address] += 1
    try:
        for i in range(100):
            yield f"Data: {i}"
            await asyncio.sleep(1)
    finally:
        connection_counts[request.address] -= 1
"""

AUTHENTICATED = """
members = set()


@sse.per_subscriber("authenticated-stream")
async def authenticated_stream(request):
    if request.user is None or request.user.username not in members:
        raise sse.HTTPError(401, "Authentication required")
    yield {"data": "Authenticated stream", "event": "auth"}
    yield {"data": {"for": request.user.username}, "event": "data"}
"""

RESILIENT = """
@sse.per_subscriber("resilient-stream/{failing}", ping_interval=10)
async def resilient_stream(failing: int):
    try:
        for i in range(4):
            if i == 1:
                yield {"data": {"error": "Temporary data unavailable"}, "event": "error", "id": f"error-{i}"}
            else:
                yield {"data": {"value": i / (i - failing), "status": "ok"}, "event": "data", "id": str(i)}
    except Exception as error:
        yield {"data": {"error": str(error)}, "event": "fatal_error", "id": "fatal"}
"""

CHAT = """
messages = []
changed = asyncio.Condition()


async def tell(event, data):
    async with changed:
        messages.append({"event": event, "data": data, "id": len(messages) + 1})
        changed.notify_all()


@sse.per_subscriber("chat/{user}", ping_interval=30)
async def chat(user: str, request):
    seen = max(0, int(request.last_event_id or 0) or len(messages) - 10)
    await tell("join", user)
    try:
        while True:
            for message in messages[seen:]:
                seen += 1
                yield message
            async with changed:
                await changed.wait_for(lambda: len(messages) > seen)
    finally:
        await tell("leave", user)


@sse.per_subscriber("chat-say/{user}")
async def say(user: str, request):
    await tell("message", {"user": user, "message": request.query["text"]})
    yield "sent"
"""


@pytest.fixture(scope="module", params=["server", "portable_server"])
def cells(request: pytest.FixtureRequest) -> Iterator[ServedKernel]:
    """A kernel in which all of these run side by side."""
    with ServedKernel(request.getfixturevalue(request.param), "examples.ipynb") as kernel:
        kernel.good("%load_ext jupyter_sse\nimport asyncio\nimport jupyter_sse as sse")
        for example in (CONDITIONAL, MANAGED, EFFICIENT, LIMITED, AUTHENTICATED, RESILIENT, CHAT):
            kernel.good(example)
        yield kernel


def test_conditional_streaming_gives_each_user_their_updates(cells: ServedKernel):
    with cells.server.read("sse/user-specific-stream/1") as one, cells.server.read("sse/user-specific-stream/2") as two:
        assert [event.id for event in one.take(3)] == ["user-1-0", "user-1-2", "user-1-4"]
        assert [event.id for event in two.take(3)] == ["user-2-1", "user-2-3", "user-2-5"]
        cells.good("updates.append({'id': 6, 'kind': 'humidity', 'value': 60})")
        event = two.take(1)[0]
        assert (event.event, event.id, json.loads(event.data)["value"]) == ("update", "user-2-6", 60)
    assert cells.server.client.get("sse/user-specific-stream/me").status_code == 400
    assert cells.server.client.get("sse/user-specific-stream/9").status_code == 404


def test_connection_management_registers_each_connection_and_cleans_up_after_it(cells: ServedKernel):
    with cells.server.read("sse/managed-stream") as one, cells.server.read("sse/managed-stream") as two:
        ids = [json.loads(reader.take(1)[0].data)["connection_id"] for reader in (one, two)]
        assert cells.value("sorted(active_connections)") == sorted(ids)
        # Taken out of the register, a connection ends by itself.
        cells.good(f"active_connections.discard({ids[0]!r})")
        assert json.loads(one.until("sse.end")[-1].data)["reason"] == "done"
        assert two.take(3)[2].event == "data"
    cells.wait(f"not active_connections and sorted(cleaned_up) == {sorted(ids)!r}")


def test_memory_management_makes_no_more_than_is_read(cells: ServedKernel):
    with cells.server.read("sse/memory-efficient-stream") as reader:
        reader.take(1)
        assert cells.value("produced") < 100_000
        events = reader.until("sse.end")
    assert [event.id for event in events[-4:-1]] == ["199997", "199998", "199999"]
    assert len(events) == 200_000


def test_rate_limiting_refuses_the_sixth_connection_of_a_client(cells: ServedKernel):
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            assert stack.enter_context(cells.server.read("sse/rate-limited-stream")).take(1)[0].data == "Data: 0"
        answer = cells.server.client.get("sse/rate-limited-stream")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "60"
        assert answer.json()["message"] == "Too many connections"
    # Who leaves makes room.
    cells.wait("connection_counts['127.0.0.1'] == 0")
    with cells.server.read("sse/rate-limited-stream") as reader:
        assert reader.take(1)[0].data == "Data: 0"


def test_authentication_refuses_who_is_not_a_member(cells: ServedKernel):
    refused = cells.server.client.get("sse/authenticated-stream")
    assert refused.status_code == 401
    assert refused.json()["message"] == "Authentication required"
    username = cells.server.client.get("api/me").json()["identity"]["username"]
    cells.good(f"members.add({username!r})")
    with cells.server.read("sse/authenticated-stream") as reader:
        first, second = reader.take(2)
    assert (first.event, first.data) == ("auth", "Authenticated stream")
    assert json.loads(second.data) == {"for": username}
    # Jupyter's own login comes before all that.
    with cells.server.make_client() as anybody:
        assert anybody.get("sse/authenticated-stream").status_code in (401, 403)


def test_error_handling_sends_events_named_error_and_goes_on(cells: ServedKernel):
    with cells.server.read("sse/resilient-stream/9") as reader:
        *events, end = reader.until("sse.end")
    assert [(event.event, event.id) for event in events] == [
        ("data", "0"),
        ("error", "error-1"),
        ("data", "2"),
        ("data", "3"),
    ]
    assert json.loads(end.data)["reason"] == "done"
    with cells.server.read("sse/resilient-stream/2") as reader:
        *events, end = reader.until("sse.end")
    assert (events[-1].event, events[-1].id) == ("fatal_error", "fatal")
    assert json.loads(events[-1].data) == {"error": "division by zero"}


def test_chat_tells_the_others_who_joins_says_something_and_leaves(cells: ServedKernel):
    server = cells.server
    with server.read("sse/chat/ada") as ada:
        assert [(one.event, one.data) for one in ada.take(1)] == [("join", "ada")]
        with server.read("sse/chat/bob") as bob:
            # A newcomer gets what was said lately.
            assert [(one.event, one.data) for one in bob.take(2)] == [("join", "ada"), ("join", "bob")]
            assert ada.take(1)[0].data == "bob"
            with server.read("sse/chat-say/ada?text=hello") as said:
                assert said.take(1)[0].data == "sent"
            for reader in (ada, bob):
                event = reader.take(1)[0]
                assert event.event == "message"
                assert json.loads(event.data) == {"user": "ada", "message": "hello"}
        left = ada.take(1)[0]
        assert (left.event, left.data) == ("leave", "bob")
        last = ada.last_event_id
    cells.wait("messages[-1]['event'] == 'leave' and messages[-1]['data'] == 'ada'")
    # Who comes back gets what was missed.
    with server.read("sse/chat/ada", headers={"Last-Event-ID": last}) as ada:
        assert [(one.event, one.data) for one in ada.take(2)] == [("leave", "ada"), ("join", "ada")]
    cells.wait("not chat.visits")
