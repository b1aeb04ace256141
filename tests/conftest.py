"""Fixtures: real servers, in processes of their own, shared by a whole session of tests."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme
from running_server import JupyterServer
from side_by_side import by_file, turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running_server import Kernel

Certificate = tuple["Path", "Path", ssl.SSLContext]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run each test in its turn. The wait for it is none of the test's time: this is around what bounds that."""
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Say how tests are divided, where there are several processes."""
    return by_file(config, log)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1, its key, and a context that trusts it."""
    folder = tmp_path_factory.mktemp("certificate")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    certfile, keyfile = folder / "server.pem", folder / "server.key"
    issued.private_key_pem.write_to_path(str(keyfile))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(certfile), append=True)
    # For programs that take it from a file.
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return certfile, keyfile, context


def stop_and_check_log(running: JupyterServer) -> None:
    """Stop a server; whatever the tests did, no token may stand in its log."""
    log = running.log()
    running.stop()
    assert running.token not in log
    assert "sse_" not in log.replace("jupyter_sse_", "")


@pytest.fixture(scope="session")
def server() -> Iterator[JupyterServer]:
    """A server as users start it: plain sockets, which are handed over."""
    running = JupyterServer(base_url="/user/ada/").start()
    yield running
    stop_and_check_log(running)


@pytest.fixture(scope="session")
def portable_server() -> Iterator[JupyterServer]:
    """A server that hands no socket over."""
    running = JupyterServer("--SSEApp.hand_over=False").start()
    yield running
    stop_and_check_log(running)


@pytest.fixture(scope="session")
def tls_server(certificate: Certificate) -> Iterator[JupyterServer]:
    """A server that speaks TLS itself."""
    running = JupyterServer(certificate=certificate).start()
    yield running
    stop_and_check_log(running)


@pytest.fixture(scope="session")
def small_server() -> Iterator[JupyterServer]:
    """A server with low bounds."""
    running = JupyterServer(
        "--SSEApp.max_connections=2", "--SSEApp.max_streams=5", "--SSEApp.max_post_bytes=1000000"
    ).start()
    yield running
    stop_and_check_log(running)


@pytest.fixture(scope="session")
def large_server() -> Iterator[JupyterServer]:
    """A server that takes large events."""
    running = JupyterServer("--SSEApp.max_event_bytes=4000000").start()
    yield running
    stop_and_check_log(running)


@pytest.fixture(scope="session")
def unix_server() -> Iterator[JupyterServer]:
    """A server that listens on a Unix socket, bounds the age of connections, and lives while it is watched."""
    running = JupyterServer(
        "--SSEApp.max_stream_age=3", "--SSEApp.keep_server_alive=True", has_unix_socket=True
    ).start()
    yield running
    stop_and_check_log(running)


@pytest.fixture(params=["server", "portable_server", "tls_server"])
def any_server(request: pytest.FixtureRequest) -> JupyterServer:
    """Each of the three: handed over, portable, portable with TLS."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def kernel(server: JupyterServer) -> Iterator[Kernel]:
    """A kernel of its own for one test, on the shared server."""
    with server.start_kernel() as started:
        yield started
