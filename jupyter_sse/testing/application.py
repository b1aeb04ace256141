"""An application of Tornado for one test, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tornado.web import Application

START_TIMEOUT = 10.0


@contextmanager
def serve(application: Application | Sequence[Any]) -> Iterator[str]:
    """Serve an application of Tornado at a free port of this machine, for as long as the context lasts.

    Args:
        application: it, or its routes, such as ``[("/clock", ClockHandler)]``.

    Yields:
        Its address, with a slash at the end.
    """
    from tornado.web import Application

    thread = _Serving(application if isinstance(application, Application) else Application(list(application)))
    thread.start()
    try:
        yield thread.wait_for_url()
    finally:
        thread.stop()


class _Serving(threading.Thread):
    """The thread that serves, with an event loop of its own."""

    def __init__(self, application: Application) -> None:
        super().__init__(name="jupyter_sse testing", daemon=True)
        self._application = application
        self._is_listening = threading.Event()
        self._url = ""
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as raised:  # noqa: BLE001 - whatever it is, the test hears of it
            self._error = raised
        finally:
            self._is_listening.set()

    async def _serve(self) -> None:
        from tornado.httpserver import HTTPServer
        from tornado.netutil import bind_sockets

        from jupyter_sse.server import close_event_streams

        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        sockets = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(self._application)
        server.add_sockets(sockets)
        self._url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
        self._is_listening.set()
        await self._stopped.wait()
        server.stop()
        await close_event_streams(self._application)
        await server.close_all_connections()

    def wait_for_url(self) -> str:
        """Return the address, once it can be read from."""
        self._is_listening.wait(START_TIMEOUT)
        if self._error is not None:
            raise self._error
        return self._url

    def stop(self) -> None:
        """Stop serving, and wait until the generators' ``finally`` have run."""
        if self._url and self.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
        self.join(START_TIMEOUT)
