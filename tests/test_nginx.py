"""Streams behind a real nginx, configured as ``docs/nginx.md`` says and as the founding document says."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from running_server import JupyterServer, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "nginx.md"

FOUNDING = """
server {
    listen LISTEN;
    location /sse/ {
        proxy_pass http://JUPYTER;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $host;
        proxy_cache_bypass $http_upgrade;
        proxy_buffering off;
        proxy_cache off;
        proxy_read_timeout 86400;
    }
}
"""

AROUND = """
daemon off;
worker_processes 1;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    MORE
    SERVER
}
"""

ZIPPED = "gzip on; gzip_types text/event-stream; gzip_min_length 1;"


class Nginx:
    """A running nginx before a server. A context manager.

    Attributes:
        client: Sends the token, and is at home at nginx.
    """

    def __init__(self, server: JupyterServer, configuration: str, folder: Path, more: str = "") -> None:
        self._port = free_port()
        places = {"LISTEN": f"127.0.0.1:{self._port}", "JUPYTER": f"127.0.0.1:{server.port}", "SERVER": configuration}
        text = AROUND.replace("SERVER", places.pop("SERVER")).replace("MORE", more).replace("FOLDER", str(folder))
        for name, value in places.items():
            text = text.replace(name, value)
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(text)
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}{server.base_url}",
            headers={"Authorization": f"token {server.token}"},
            timeout=30,
        )

    def __enter__(self) -> Nginx:
        program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
        assert program is not None, "expected nginx, got no such program; install the package nginx-core"
        self._process = subprocess.Popen([program, "-c", self._configuration, "-e", "stderr"])
        wait_until(self._is_up, "nginx answers")
        return self

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "nginx has ended"
        try:
            self.client.get("api")
        except httpx.TransportError:
            return False
        return True

    def __exit__(self, *error: object) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(20)


def documented() -> str:
    """Return the configuration of the page."""
    return re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


@pytest.fixture(scope="module")
def plain_server() -> Iterator[JupyterServer]:
    """A server without a base URL, as the founding document's block expects."""
    running = JupyterServer().start()
    yield running
    running.stop()


@pytest.fixture(params=["documented", "documented, zipped", "founding document's"])
def nginx(request: pytest.FixtureRequest, plain_server: JupyterServer, tmp_path: Path) -> Iterator[Nginx]:
    """nginx before the server, configured in three ways."""
    configuration = FOUNDING if request.param.startswith("founding") else documented()
    with Nginx(plain_server, configuration, tmp_path, ZIPPED if "zipped" in request.param else "") as running:
        yield running


def test_each_event_comes_at_once_and_in_order(nginx: Nginx, plain_server: JupyterServer):
    plain_server.publish("proxied", "first")
    with plain_server.read("sse/proxied@latest", nginx.client) as reader:
        assert reader.response.headers["content-type"].startswith("text/event-stream")
        for number in range(20):
            plain_server.publish("proxied", number)
            # Were it held back, it would come with a later one, and this would wait for ever.
            assert next(reader.events()).data == str(number)


def test_reader_that_leaves_is_missed(nginx: Nginx, plain_server: JupyterServer):
    def connected() -> int:
        return plain_server.client.get("api/sse/metrics").json()["connections"]

    plain_server.publish("left", 0)
    with plain_server.read("sse/left", nginx.client) as reader:
        reader.values(1)
        assert connected() == 1
    wait_until(lambda: connected() == 0, "the server has seen that the reader left")


def test_end_of_the_stream_reaches_the_reader_and_its_return_gets_204(nginx: Nginx, plain_server: JupyterServer):
    plain_server.publish("ending", 0)
    with plain_server.read("sse/ending", nginx.client) as reader:
        reader.values(1)
        plain_server.client.delete("api/sse/streams/ending")
        assert reader.until("sse.end")
        assert list(reader.events()) == []
        last = reader.last_event_id
    assert nginx.client.get("sse/ending", headers={"Last-Event-ID": last}).status_code == 204


def test_quiet_stream_outlives_the_proxys_patience(plain_server: JupyterServer, tmp_path: Path):
    with (
        Nginx(plain_server, documented(), tmp_path, "proxy_read_timeout 2s;") as nginx,
        plain_server.start_kernel() as kernel,
    ):
        kernel.text(
            "import jupyter_sse as sse\nquiet = sse.stream('quiet', ping_interval=0.5)\nquiet.send(1)\nquiet.flush()"
        )
        with plain_server.read("sse/quiet", nginx.client) as reader:
            reader.values(1)
            until = time.monotonic() + 5
            while time.monotonic() < until:
                reader._chunks.__next__()
            kernel.text("quiet.send(2)")
            assert reader.values(1) == [2]


def test_posted_events_come_through_while_they_are_sent(plain_server: JupyterServer, tmp_path: Path):
    with Nginx(plain_server, documented(), tmp_path) as nginx:
        plain_server.publish("posted", 0)
        with plain_server.read("sse/posted@latest", nginx.client) as reader:

            def body() -> Iterator[bytes]:
                for number in range(3):
                    yield b"%d\n" % number
                    # The next line is sent when this one has come out at the other end.
                    assert reader.values(1) == [number]

            headers = {"Content-Type": "application/x-ndjson"}
            assert nginx.client.post("sse/posted", content=body(), headers=headers).status_code == 201
