"""Who may do what: every route, with every kind of login and without."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from running_server import JupyterServer, wait_until

from jupyter_sse._rust import Link

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

CONFIG = """
from jupyter_server.auth import Authorizer, IdentityProvider, User

class ByHeader(IdentityProvider):
    "The token is shared; the header says who holds it."

    async def get_user_token(self, handler):
        if await super().get_user_token(handler) is not None:
            return User(username=handler.request.headers.get("X-User", "ada"))

class AsHeaderSays(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        if resource == "sse-connections":
            return user.username == "root"
        return resource != "sse" or action in handler.request.headers.get("X-May", "read write").split()

c.ServerApp.identity_provider_class = ByHeader
c.ServerApp.authorizer_class = AsHeaderSays
c.SSEApp.max_connections_per_user = 3
"""

ROUTES = [
    ("GET", "sse/auth", "read"),
    ("HEAD", "sse/auth", "read"),
    ("GET", "sse?stream=auth", "read"),
    ("HEAD", "sse?stream=auth", "read"),
    ("POST", "sse/auth", "write"),
    ("GET", "api/sse/streams", "read"),
    ("GET", "api/sse/routes", "read"),
    ("GET", "api/sse/streams/auth", "read"),
    ("DELETE", "api/sse/streams/no-such", "write"),
    ("GET", "api/sse/connections", "read"),
    ("DELETE", "api/sse/tokens/no-such", "write"),
    ("POST", "api/sse/connections/no-such", "write"),
    ("GET", "api/sse/metrics", "read"),
]
STREAMING = [route for route in ROUTES if route[1].startswith("sse") and route[2] == "read"]
CHANGING = [route for route in ROUTES if route[2] == "write"]


def names(routes: list[tuple[str, str, str]]) -> Any:
    """Run a test for each of the routes."""
    return pytest.mark.parametrize(("method", "path", "action"), routes, ids=lambda value: value.replace("/", "."))


@pytest.fixture(scope="module")
def auth_server() -> Iterator[JupyterServer]:
    """A server with users, an authorizer, and nothing open to those without a login."""
    running = JupyterServer(config=CONFIG, environment={"JUPYTER_SERVER_ALLOW_UNAUTHENTICATED_ACCESS": "false"}).start()
    yield running
    log = running.log()
    running.stop()
    assert running.token not in log


@pytest.fixture(autouse=True)
def stream(auth_server: JupyterServer) -> None:
    """The stream of all routes."""
    auth_server.publish("auth", 1)


def status_of(client: httpx.Client, method: str, path: str, **options: Any) -> int:
    """Return the status; of a stream no more than its head is read."""
    if method == "POST" and "content" not in options:
        options["json"] = {} if "connections" in path else 1
    with client.stream(method, path, **options) as answer:
        if answer.status_code >= 400 and method != "HEAD":
            refusal = json.loads(answer.read())
            assert refusal["message"]
            assert refusal["reason"]
        return answer.status_code


def stream_token(server: JupyterServer, name: str) -> str:
    """Return what ``%sse url`` gives: a kernel asks for it over its link."""
    link = Link(server.link_path, "pid-1", "test")
    try:
        wait_until(lambda: link.linked, "the link is up")
        status, answer = link.request(json.dumps({"op": "token", "name": name}))
    finally:
        link.close()
    assert status == 200, answer
    return json.loads(answer)["token"]


@pytest.fixture(scope="module")
def browser(auth_server: JupyterServer) -> Iterator[httpx.Client]:
    """A client that is logged in by cookies, as a browser is."""
    with auth_server.make_client() as client:
        client.get("login")
        client.get("api/status", params={"token": auth_server.token})
        assert {name.partition("-")[0] for name in client.cookies} == {"_xsrf", "username"}
        yield client


LOGINS = {
    "token header": lambda server: {"headers": {"Authorization": f"token {server.token}"}},
    "bearer header": lambda server: {"headers": {"Authorization": f"Bearer {server.token}"}},
    "token in the address": lambda server: {"params": {"token": server.token}},
}

NO_LOGINS = {
    "nothing": {},
    "wrong token": {"headers": {"Authorization": "token 0123456789"}},
    "wrong bearer": {"headers": {"Authorization": "Bearer 0123456789"}},
    "wrong token in the address": {"params": {"token": "0123456789"}},
    "wrong stream token": {"headers": {"Authorization": "Bearer sse_0123456789"}},
    "wrong stream token in the address": {"params": {"token": "sse_0123456789"}},
    "wrong cookie": {"headers": {"Cookie": "username-127-0-0-1-8888=ada; _xsrf=1"}},
}


def with_query(path: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Move ``params`` into the path: httpx would replace the query that is there."""
    query = "&".join(f"{name}={value}" for name, value in options.get("params", {}).items())
    rest = {name: value for name, value in options.items() if name != "params"}
    return (f"{path}{'&' if '?' in path else '?'}{query}" if query else path), rest


@names(ROUTES)
@pytest.mark.parametrize("login", LOGINS)
def test_login_by_token_is_let_in(auth_server: JupyterServer, method: str, path: str, action: str, login: str):
    path, options = with_query(path, LOGINS[login](auth_server))
    with auth_server.make_client() as client:
        assert status_of(client, method, path, **options) in (200, 201, 204, 404)


@names(ROUTES)
@pytest.mark.parametrize("login", NO_LOGINS)
def test_without_a_login_nothing_is_told(auth_server: JupyterServer, method: str, path: str, action: str, login: str):
    path, options = with_query(path, NO_LOGINS[login])
    with auth_server.make_client() as client:
        assert status_of(client, method, path, **options) == 403


@names(ROUTES)
def test_refusal_of_a_stranger_says_how_to_log_in(auth_server: JupyterServer, method: str, path: str, action: str):
    with auth_server.make_client() as client:
        answer = client.request(method, path)
    assert answer.headers["content-type"] == "application/json"
    if method != "HEAD":
        assert "Authorization" in answer.json()["message"]


@names(ROUTES)
def test_authorizer_is_asked_about_the_right_action(auth_server: JupyterServer, method: str, path: str, action: str):
    other = {"read": "write", "write": "read"}[action]
    assert status_of(auth_server.client, method, path, headers={"X-May": action}) != 403
    assert status_of(auth_server.client, method, path, headers={"X-May": other}) == 403


@names(ROUTES)
def test_cookie_login_with_xsrf_header_is_let_in(browser: httpx.Client, method: str, path: str, action: str):
    headers = {"X-XSRFToken": browser.cookies["_xsrf"]}
    assert status_of(browser, method, path, headers=headers) in (200, 201, 204, 404)


@names(CHANGING)
def test_cookie_login_without_xsrf_header_changes_nothing(browser: httpx.Client, method: str, path: str, action: str):
    assert status_of(browser, method, path) == 403


@names(STREAMING)
def test_cookie_login_of_a_page_of_another_site_gets_no_stream(
    browser: httpx.Client, method: str, path: str, action: str
):
    assert status_of(browser, method, path) == 403
    assert status_of(browser, method, path, headers={"Referer": "https://example.org/page"}) == 403


@names(STREAMING)
def test_eventsource_of_a_page_of_this_server_is_let_in(browser: httpx.Client, method: str, path: str, action: str):
    page = str(browser.base_url.join("lab"))
    assert status_of(browser, method, path, headers={"Referer": page}) == 200


@names(STREAMING)
def test_cookie_login_from_another_origin_is_refused(browser: httpx.Client, method: str, path: str, action: str):
    headers = {"Origin": "https://example.org", "X-XSRFToken": browser.cookies["_xsrf"]}
    assert status_of(browser, method, path, headers=headers) == 404


@names(STREAMING)
@pytest.mark.parametrize("place", ["bearer", "token", "address"])
def test_stream_token_reads_its_stream(auth_server: JupyterServer, method: str, path: str, action: str, place: str):
    token = stream_token(auth_server, "auth")
    options = {"params": {"token": token}} if place == "address" else {"headers": {"Authorization": f"{place} {token}"}}
    path, options = with_query(path, options)
    with auth_server.make_client() as client, client.stream(method, path, **options) as answer:
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers


@names(ROUTES)
def test_stream_token_of_another_stream_does_nothing(auth_server: JupyterServer, method: str, path: str, action: str):
    auth_server.publish("other", 1)
    headers = {"Authorization": f"Bearer {stream_token(auth_server, 'other')}"}
    with auth_server.make_client() as client:
        assert status_of(client, method, path, headers=headers) == 403


@names([route for route in ROUTES if route not in STREAMING])
def test_stream_token_does_nothing_but_read(auth_server: JupyterServer, method: str, path: str, action: str):
    headers = {"Authorization": f"Bearer {stream_token(auth_server, 'auth')}"}
    with auth_server.make_client() as client:
        assert status_of(client, method, path, headers=headers) == 403


def test_stream_token_reads_no_second_stream_beside_its_own(auth_server: JupyterServer):
    auth_server.publish("other", 1)
    headers = {"Authorization": f"Bearer {stream_token(auth_server, 'auth')}"}
    with auth_server.make_client() as client:
        assert status_of(client, "GET", "sse?stream=auth&stream=other", headers=headers) == 403
        assert status_of(client, "GET", "sse?stream=auth@latest", headers=headers) == 200


def test_revoked_tokens_let_nobody_in_and_end_what_they_opened(auth_server: JupyterServer):
    auth_server.publish("revoked/tokens", 1)
    tokens = [stream_token(auth_server, "revoked/tokens") for _ in range(2)]
    kept = stream_token(auth_server, "auth")

    def status(token: str, path: str) -> int:
        with auth_server.make_client() as client:
            return status_of(client, "GET", path, headers={"Authorization": f"Bearer {token}"})

    def good_tokens() -> int:
        listed = {stream["name"]: stream for stream in auth_server.client.get("api/sse/streams").json()}
        described = auth_server.client.get("api/sse/streams/revoked/tokens").json()
        assert described["tokens"] == listed["revoked/tokens"]["tokens"]
        return described["tokens"]

    assert good_tokens() == 2
    holder = {"Authorization": f"Bearer {tokens[0]}"}
    with auth_server.make_client() as client, auth_server.read("sse/revoked/tokens", client, headers=holder) as reader:
        reader.take(1)
        answer = auth_server.client.delete("api/sse/tokens/revoked/tokens")
        assert (answer.status_code, answer.json()) == (200, {"stream": "revoked/tokens", "revoked": 2})
        assert list(reader.events()) == []
    assert [status(token, "sse/revoked/tokens") for token in tokens] == [403, 403]
    assert status(kept, "sse/auth") == 200
    assert good_tokens() == 0
    assert auth_server.client.delete("api/sse/tokens/revoked/tokens").json()["revoked"] == 0
    assert auth_server.client.delete("api/sse/tokens/no-such").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "sse/auth", "GET, HEAD, OPTIONS, POST"),
        ("PATCH", "sse/auth", "GET, HEAD, OPTIONS, POST"),
        ("POST", "sse?stream=auth", "GET, HEAD, OPTIONS"),
        ("GET", "api/sse/tokens/auth", "DELETE, OPTIONS"),
        ("POST", "api/sse/streams", "GET, OPTIONS"),
        ("POST", "api/sse/streams/auth", "DELETE, GET, OPTIONS"),
        ("DELETE", "api/sse/connections/x", "OPTIONS, POST"),
    ],
)
def test_wrong_method_is_405_and_says_which_are_right(auth_server: JupyterServer, method: str, path: str, allowed: str):
    answer = auth_server.client.request(method, path, content=b"1")
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["reason"] == "method"


def test_refused_post_publishes_nothing_however_it_comes(auth_server: JupyterServer, browser: httpx.Client):
    auth_server.publish("unpublished", 1)
    lines = {"Content-Type": "application/x-ndjson"}
    with auth_server.make_client() as stranger:
        for body in (b"2\n3\n", [b"2\n", b"3\n"], b"2\n" * 100_000):
            for client, headers in [(stranger, {}), (browser, {}), (auth_server.client, {"X-May": "read"})]:
                content = body if isinstance(body, bytes) else iter(body)
                answer = client.post("sse/unpublished", content=content, headers={**lines, **headers})
                assert answer.status_code == 403
    assert auth_server.client.get("api/sse/streams/unpublished").json()["events"] == 1


def test_stream_token_opens_the_stream_to_a_page_of_another_site(auth_server: JupyterServer):
    token = stream_token(auth_server, "auth")
    with (
        auth_server.make_client(headers={"Origin": "https://example.org"}) as client,
        client.stream("GET", f"sse/auth?token={token}") as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        assert "access-control-allow-credentials" not in answer.headers


def test_no_cookie_comes_with_a_stream_whatever_the_login(auth_server: JupyterServer):
    for login in LOGINS.values():
        path, options = with_query("sse/auth", login(auth_server))
        with auth_server.make_client() as client, client.stream("GET", path, **options) as answer:
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers


def test_connection_is_changed_by_its_own_user_only(auth_server: JupyterServer):
    with auth_server.read("sse?stream=auth&control=1", headers={"X-User": "ada"}) as reader:
        connection = json.loads(reader.until("sse.open")[-1].data)["connection"]
        address = f"api/sse/connections/{connection}"
        change = {"add": ["auth@latest"]}
        refused = auth_server.client.post(address, json=change, headers={"X-User": "bob"})
        assert refused.status_code == 403
        assert refused.json()["reason"] == "forbidden"
        assert auth_server.client.post(address, json=change, headers={"X-User": "ada"}).status_code == 204


def test_connections_of_others_are_seen_only_by_whom_the_authorizer_lets_see_them(auth_server: JupyterServer):
    def seen_by(user: str) -> set[str]:
        answer = auth_server.client.get("api/sse/connections", headers={"X-User": user})
        return {connection["user"] for connection in answer.json()}

    with (
        auth_server.read("sse/auth", headers={"X-User": "joe"}),
        auth_server.read("sse/auth", headers={"X-User": "sue"}),
    ):
        wait_until(lambda: {"joe", "sue"} <= seen_by("root"), "both are connected")
        assert (seen_by("joe"), seen_by("sue")) == ({"joe"}, {"sue"})


def test_connections_of_one_user_are_bounded_and_those_of_another_are_not(auth_server: JupyterServer):
    def connect(user: str) -> Any:
        return auth_server.read("sse/auth", headers={"X-User": user})

    with connect("eve"), connect("eve"), connect("eve"):
        with connect("eve") as refused:
            assert refused.status == 429
            assert refused.response.headers["retry-after"].isdigit()
        with connect("mia") as other:
            assert other.status == 200


def test_who_only_says_that_he_was_here_passes_no_bound(auth_server: JupyterServer):
    with contextlib.ExitStack() as stack:
        statuses = []
        for number in range(7):
            headers = {"X-User": "max", "Last-Event-ID": f"made-up-{number}"}
            statuses.append(stack.enter_context(auth_server.read("sse/auth", headers=headers)).status)
        assert statuses == [200] * 6 + [429]


def test_preflight_is_answered_without_a_login(auth_server: JupyterServer):
    with auth_server.make_client() as client:
        for _, path, _ in ROUTES:
            assert client.options(path).status_code == 200


def test_jupyter_finds_no_handler_of_ours_that_is_open(auth_server: JupyterServer):
    log = auth_server.log()
    assert "jupyter_sse | extension was successfully loaded" in log
    for name in ("StreamHandler", "StreamsHandler", "ConnectionHandler", "MetricsHandler"):
        assert not re.search(rf"- \w+ of \w*{name} registered", log)


def test_log_holds_no_token_after_requests_that_fail(auth_server: JupyterServer):
    tokens = [auth_server.token, stream_token(auth_server, "auth"), "sse_0123456789", "wrong-0123456789"]
    with auth_server.make_client() as client:
        for token in tokens:
            for method, path, _ in ROUTES:
                for asked in (f"{path}{'&' if '?' in path else '?'}token={token}", path):
                    status_of(client, method, asked, headers={"Authorization": f"Bearer {token}"})
            client.put(f"sse/auth?token={token}")
            client.get(f"sse/no/such?token={token}")
            client.get(f"sse/a%20b?token={token}")
            client.post(f"sse/auth?token={token}", content=b"{", headers={"Content-Type": "application/json"})
            client.get("sse/no/such", headers={"Referer": f"{auth_server.url}lab?token={token}"})
    log = auth_server.log()
    for token in tokens:
        assert token not in log
