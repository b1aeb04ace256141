"""nginx with nchan: published to over one connection that stays open, read over plain EventSource requests."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.load import Address
from benchmarks.machine import cores_of_clients, cores_of_servers
from benchmarks.peers import environment
from benchmarks.program import Program, accepts, free_port
from benchmarks.server import Server

if TYPE_CHECKING:
    from benchmarks.setting import Setting

CONFIGURATION = """
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; use epoll; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 3600;
    nchan_max_reserved_memory 512M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /publish {{ nchan_publisher; nchan_channel_id bench; nchan_message_buffer_length 10000; }}
        location = /events {{
            nchan_subscriber eventsource; nchan_channel_id bench; nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


class Nchan(Server):
    """One worker process, as servers here have one core."""

    name = "nginx + nchan"

    def __init__(self, setting: Setting) -> None:
        nginx = environment.nginx()
        self.port = free_port()
        self.folder = setting.folder / f"nchan-{self.port}"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        descriptors = descriptor_limit()
        configuration = self.folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                port=self.port,
                descriptors=descriptors,
                connections=descriptors - 100,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        command = [nginx, "-p", str(self.folder), "-c", str(configuration)]
        self.program = Program(command, cores_of_servers(), setting.log("nchan"))
        self.program.wait_for(lambda: accepts(self.port))
        self.address = Address(f"http://127.0.0.1:{self.port}/events")
        self.pids = (self.program.pid, *children(self.program.pid))
        command = [sys.executable, "-m", "benchmarks.peers.nchan_publisher", str(self.port)]
        self.publisher = Program(command, cores_of_clients(), setting.log("nchan-publisher"), talks=True)

    def publish(self, run: int, rate: float, seconds: float, size: int) -> dict[str, Any]:
        """See :meth:`Server.publish`."""
        return self.publisher.ask(f"publish {run} {rate} {seconds} {size}")

    def close(self) -> None:
        """End publisher and server."""
        self.publisher.close()
        self.program.close()


def descriptor_limit() -> int:
    """Return how many files a process may have open."""
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as listing:  # noqa: PTH123
        return [int(word) for word in listing.read().split()]
