"""A server extension with one stream and nothing that helps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.iostream import StreamClosedError

from benchmarks.peers.subscribers import Subscribers

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

subscribers = Subscribers()


class EventsHandler(JupyterHandler):
    """The stream."""

    @web.authenticated
    async def get(self) -> None:
        """Write events until the reader is gone."""
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache")
        await self.flush()
        with subscribers.queue() as queue:
            while True:
                self.write(f"data: {await queue.get()}\n\n")
                try:
                    await self.flush()
                except StreamClosedError:
                    return


class PublishHandler(JupyterHandler):
    """The schedule."""

    @web.authenticated
    async def get(self) -> None:
        """Publish a run."""
        self.finish(await subscribers.publish(self.get_query_argument("order")))


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    base = serverapp.web_app.settings["base_url"]
    routes = [("bench/events", EventsHandler), ("bench/publish", PublishHandler)]
    serverapp.web_app.add_handlers(".*$", [(url_path_join(base, path), handler) for path, handler in routes])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "benchmarks.peers.tornado_extension"}]
