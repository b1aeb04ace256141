"""The founding document's chat: browsers and a kernel, history for newcomers, join and leave, all in one order."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from running_server import wait_until

from founding.conftest import cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from running_kernel import ServedKernel
    from running_server import JupyterServer

    from founding.page import Heard, Page

KINDS = ("join", "leave", "message")


@pytest.fixture
def chat(kernel: ServedKernel) -> ServedKernel:
    """The kernel in which the chat runs, anew."""
    kernel.good("import jupyter_sse as sse\nsse.stream('chat').close()")
    kernel.good(cell("chat"))
    return kernel


def say(server: JupyterServer, user: str, message: str) -> None:
    """Post a message as the notebook says, with curl."""
    command = ["curl", "-sf", f"{server.url}sse/chat", "-H", f"Authorization: token {server.token}"]
    command += ["-H", "Content-Type: application/json", "-d", json.dumps({"user": user, "message": message})]
    subprocess.run(command, check=True, timeout=30, capture_output=True)


def messages(heard: Heard) -> list[str]:
    """Return the messages that a browser has got."""
    return [json.loads(data)["message"] for kind, data in heard.events if kind == "message"]


def test_two_browsers_and_the_kernel_see_all_messages_in_one_order(
    chat: ServedKernel, server: JupyterServer, new_page: Callable[[], Page]
):
    ada, bob = new_page(), new_page()
    of_ada = ada.listen("chat/Ada", *KINDS)
    wait_until(lambda: ("join", "Ada") in of_ada.events, "Ada has joined")
    of_bob = bob.listen("chat/Bob", *KINDS)
    wait_until(lambda: ("join", "Bob") in of_ada.events, "Ada hears that Bob has joined")
    texts = [f"message {number}" for number in range(20)]
    for number, text in enumerate(texts):
        say(server, ("Ada", "Bob")[number % 2], text)
    wait_until(lambda: len(messages(of_ada)) == len(messages(of_bob)) == 20, "both have all messages")
    assert messages(of_ada) == messages(of_bob) == texts
    said = chat.good(
        "seen = []\nfor event in sse.subscribe('chat'):\n    seen.append(event.data)\n"
        "    if 'message 19' in event.data:\n        break\nprint(seen[-1])"
    ).stdout
    assert json.loads(said) == {"user": "Bob", "message": "message 19"}


def test_newcomer_gets_the_last_ten_and_what_comes_then(
    chat: ServedKernel,
    server: JupyterServer,
    new_page: Callable[[], Page],
):
    for number in range(30):
        say(server, "Ada", f"message {number}")
    heard = new_page().listen("chat/Cleo", *KINDS)
    wait_until(lambda: ("join", "Cleo") in heard.events, "Cleo has joined")
    say(server, "Ada", "welcome")
    wait_until(lambda: "welcome" in messages(heard), "Cleo hears what is said now")
    assert messages(heard) == [*[f"message {number}" for number in range(21, 30)], "welcome"]


def test_others_hear_within_a_second_that_somebody_has_left(chat: ServedKernel, new_page: Callable[[], Page]):
    ada, bob = new_page(), new_page()
    of_ada = ada.listen("chat/Ada", *KINDS)
    bob.listen("chat/Bob", *KINDS)
    wait_until(lambda: ("join", "Bob") in of_ada.events, "Bob is there")
    bob.close()
    wait_until(lambda: ("leave", "Bob") in of_ada.events, "Ada hears that Bob has left", timeout=5)
    ada.close()
    chat.good(
        "for event in sse.subscribe('chat'):\n    if (event.event, event.data) == ('leave', 'Ada'):\n        break"
    )


def test_who_loses_the_connection_misses_nothing_and_does_not_join_twice(
    chat: ServedKernel,
    server: JupyterServer,
):
    with server.read("sse/chat/Dora") as reader:
        reader.until("join")
        say(server, "Ada", "before")
        event = reader.until("message")[-1]
    for text in ("one", "two"):
        say(server, "Ada", text)
    with server.read("sse/chat/Dora", headers={"Last-Event-ID": event.id}) as again:
        # Others may leave meanwhile: those of the test before.
        seen: list[tuple[str, str]] = []
        while ("leave", "Dora") not in seen or [kind for kind, _ in seen].count("message") < 2:
            seen += [(one.event, one.data) for one in again.take(1)]
    assert [json.loads(data)["message"] for kind, data in seen if kind == "message"] == ["one", "two"]
    assert ("join", "Dora") not in seen
