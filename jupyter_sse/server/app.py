"""The server extension: settings, the life of the hub, and the routes."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import prometheus_client
from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Float, Int, Unicode, default

from jupyter_sse._rust import Hub
from jupyter_sse.server import api, publish, stream
from jupyter_sse.server.event_stream import close_event_streams
from jupyter_sse.server.identity import StreamTokenAuthorizer, StreamTokenIdentity
from jupyter_sse.server.metric import HubCollector
from jupyter_sse.server.place import socket_places
from jupyter_sse.server.portable import PortableSockets
from jupyter_sse.server.service import Bounds, Service
from jupyter_sse.server.visit import Arrivals

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

LINK_VARIABLE = "JUPYTER_SSE_LINK"
"""Where kernels find the hub: ``<server pid>:<path of the socket>``."""

SPARE_DESCRIPTORS = 1_000
"""Left to Jupyter, kernels and returning readers when newcomers are refused."""

MANY_DESCRIPTORS = 1 << 20
"""How many open files are asked for, and counted with, where the system states no limit."""

ACTIVITY_INTERVAL_MS = 30_000


class SSEApp(ExtensionApp):
    """Event streams on this server. Settings go by ``c.SSEApp.…``."""

    name = "jupyter_sse"
    extension_url = "/api/sse/streams"

    history_events = Int(
        10_000, min=0, help="How many events of a stream's current run newcomers and returning readers can get."
    ).tag(config=True)
    history_bytes = Int(16 << 20, min=0, help="How many bytes of a stream's current run are kept for them.").tag(
        config=True
    )
    history_seconds = Float(
        None, allow_none=True, min=0, help="How old an event kept for them may become, in seconds; None: no bound."
    ).tag(config=True)
    live_window_bytes = Int(
        8 << 20, min=0, help="How many bytes of a stream are kept, beyond its history, for readers that are connected."
    ).tag(config=True)
    max_history_bytes = Int(
        1 << 30, min=1 << 20, help="How many bytes the events of all streams together may take."
    ).tag(config=True)
    max_event_bytes = Int(1 << 20, min=1_024, help="The largest event, in bytes as sent.").tag(config=True)
    max_streams = Int(10_000, min=1, help="How many streams there may be, ended ones included.").tag(config=True)
    ended_retention = Float(
        86_400.0, min=0, help="How long an ended stream can be read, in seconds, where its room is not needed."
    ).tag(config=True)
    max_connections = Int(
        min=1,
        help="How many readers may be connected; newcomers beyond get 503. "
        f"Default: the limit of open files less {SPARE_DESCRIPTORS:,}.",
    ).tag(config=True)
    max_connections_per_user = Int(
        0,
        min=0,
        help="How many readers of one user may be connected; newcomers beyond get 429. Of those who "
        "come back there may be twice as many. 0: no bound.",
    ).tag(config=True)
    max_connections_per_address = Int(
        0,
        min=0,
        help="The same for readers from one address; behind a proxy that is the proxy's, unless "
        "ServerApp.trust_xheaders is set. 0: no bound.",
    ).tag(config=True)
    max_post_bytes = Int(
        None,
        allow_none=True,
        min=1,
        help="The largest body of a POST that publishes, in bytes; None: any, for it is published as it comes.",
    ).tag(config=True)
    max_stream_age = Float(
        None,
        allow_none=True,
        min=1,
        help="How long one connection may last, in seconds; then the reader comes back by itself with a new request, "
        "which needs a login that still holds. It misses nothing. None: no bound.",
    ).tag(config=True)
    stall_timeout = Float(
        60.0,
        allow_none=True,
        min=0,
        help="For how many seconds a reader may take nothing of what waits for it; then it is closed, and may come "
        "back with its cursor. A slow one that takes some is never closed. None or 0: no bound.",
    ).tag(config=True)
    ping_interval = Float(
        15.0, min=0.05, help="After how many seconds of silence a reader is written a keep-alive."
    ).tag(config=True)
    reconnection_time = Int(
        2_000, min=1, help="After how many milliseconds readers come back, about: `retry` on the wire, with jitter."
    ).tag(config=True)
    link_path = Unicode(
        help="Where the socket stands that kernels dial. Default: in Jupyter's runtime folder, named by the server's "
        "process id, or in a private folder where that cannot be."
    ).tag(config=True)
    keep_server_alive = Bool(
        False,
        help="Whether connected readers count as activity, for shutdown_no_activity_timeout and JupyterHub's culler. "
        "Otherwise a server that is only watched may be shut down.",
    ).tag(config=True)
    reactor_threads = Int(
        1,
        min=1,
        help="How many threads of the hub carry readers. More than one helps where a thousand readers or more keep one "
        "busy and there are cores for it.",
    ).tag(config=True)
    hand_over = Bool(
        True, help="Whether plain connections are handed to the hub's thread. Without, all take the portable path."
    ).tag(config=True)

    service: Service | None = None
    _collector: HubCollector | None = None
    _activity: PeriodicCallback | None = None

    @default("max_connections")
    def _default_max_connections(self) -> int:
        # Settings are read before the extension starts, so the limit has to be raised here already.
        return max(raise_descriptor_limit() - SPARE_DESCRIPTORS, 100)

    def initialize_settings(self) -> None:
        """Start the hub, before any kernel: kernels find it by the environment they inherit."""
        raise_descriptor_limit()
        hub = self.start_hub()
        self.service = Service(
            hub=hub,
            bounds=Bounds(
                connections=self.max_connections,
                connections_per_user=self.max_connections_per_user,
                connections_per_address=self.max_connections_per_address,
                post_bytes=self.max_post_bytes,
            ),
            portable=PortableSockets(hub, self.reconnection_time, self.stall_timeout),
            arrivals=Arrivals(hub),
            token_identity=StreamTokenIdentity(parent=self),
            token_authorizer=StreamTokenAuthorizer(parent=self),
            hand_over=self.hand_over,
            readers_are_activity=self.keep_server_alive,
        )
        if hub.link_path is not None:
            os.environ[LINK_VARIABLE] = f"{os.getpid()}:{hub.link_path}"
        self._collector = HubCollector(self.service)
        prometheus_client.REGISTRY.register(self._collector)

    def start_hub(self) -> Hub:
        """Start the hub and its thread, at the first place where the system lets it listen.

        Raises:
            OSError: There is none.
        """
        if self.link_path:
            return self.hub_at(self.link_path)
        refused: OSError | None = None
        for place in socket_places(self.serverapp.runtime_dir):
            try:
                return self.hub_at(place)
            except OSError as cause:
                self.log.warning("jupyter_sse: %s", cause)
                refused = cause
        raise refused or OSError("expected a place for the hub's socket, got none; set SSEApp.link_path")

    def hub_at(self, place: str | None) -> Hub:
        """Start the hub with its socket at ``place``."""
        return Hub(
            link_path=place,
            history_events=self.history_events,
            history_bytes=self.history_bytes,
            history_seconds=self.history_seconds,
            live_window_bytes=self.live_window_bytes,
            max_total_bytes=self.max_history_bytes,
            max_event_bytes=self.max_event_bytes,
            max_streams=self.max_streams,
            ping_interval=self.ping_interval,
            reconnection_time=self.reconnection_time,
            ended_retention=self.ended_retention,
            max_connection_age=self.max_stream_age,
            stall_timeout=self.stall_timeout,
            reactor_threads=self.reactor_threads,
        )

    def initialize_handlers(self) -> None:
        """Add the routes; a stream's name may hold slashes."""
        service = {"service": self.service}
        web_app = self.serverapp.web_app
        posts = publish.PostTo(url_path_join(web_app.settings["base_url"], r"/sse/(.+)"))
        web_app.add_handlers(".*$", [(posts, publish.PublishHandler, service)])
        self.handlers.extend(
            [
                (r"/sse/?", stream.StreamHandler, service),
                (r"/sse/(.+)", stream.SingleStreamHandler, service),
                (r"/api/sse/streams", api.StreamsHandler, service),
                (r"/api/sse/routes", api.RoutesHandler, service),
                (r"/api/sse/streams/(.+)", api.OneStreamHandler, service),
                (r"/api/sse/connections", api.ConnectionsHandler, service),
                (r"/api/sse/tokens/(.+)", api.TokensHandler, service),
                (r"/api/sse/connections/([^/]+)", api.ConnectionHandler, service),
                (r"/api/sse/metrics", api.MetricsHandler, service),
            ]
        )

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Tell the hub its address, which the server knows only now, and watch over activity if told so."""
        self.service.hub.set_url(serverapp.connection_url.rstrip("/"))
        if self.keep_server_alive:
            self._activity = PeriodicCallback(self.note_activity, ACTIVITY_INTERVAL_MS)
            self._activity.start()

    async def stop_extension(self) -> None:
        """Close every stream; readers see the end and come back when there is a server again."""
        await close_event_streams(self.serverapp.web_app)
        if self.service is None:
            return
        service, self.service = self.service, None
        if self._activity is not None:
            self._activity.stop()
        prometheus_client.REGISTRY.unregister(self._collector)
        if os.environ.get(LINK_VARIABLE, "").startswith(f"{os.getpid()}:"):
            del os.environ[LINK_VARIABLE]
        service.arrivals.close()
        started, readers = time.monotonic(), service.hub.connections()
        # Both at once: the one waits for its thread, the other for Tornado's loop.
        await asyncio.gather(service.portable.close(), asyncio.to_thread(service.hub.close))
        if readers:
            self.log.info("jupyter_sse: closed %d readers in %.2f s", readers, time.monotonic() - started)

    def current_activity(self) -> Any:
        """Return the number of connected readers where it keeps the server alive, else nothing."""
        if self.keep_server_alive and self.service is not None:
            return self.service.hub.connections()
        return None

    def note_activity(self) -> None:
        """Let connected readers count as activity of this moment."""
        if self.current_activity():
            self.serverapp.web_app.settings["last_activity_times"]["jupyter_sse"] = utcnow()


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one, for every reader is an open file; return what holds then."""
    if sys.platform == "win32":
        return 8_192
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MANY_DESCRIPTORS
    goal = MANY_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft < goal:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
        except (OSError, ValueError):
            # macOS states a hard limit that it does not grant: what there is has to do.
            return soft
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


main = launch_new_instance = SSEApp.launch_instance
