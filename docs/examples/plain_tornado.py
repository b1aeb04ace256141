"""A plain application of Tornado with an event stream: no Jupyter in it. Run it, and open http://127.0.0.1:8000/.

python plain_tornado.py [port]
"""

from __future__ import annotations

import asyncio
import signal
import sys

from tornado.web import Application, RequestHandler

import jupyter_sse as sse
from jupyter_sse.server import EventStreamHandler, close_event_streams

PAGE = """<!doctype html>
<title>Countdown</title>
<p id="left">…</p>
<script>
  const source = new EventSource('countdown/10');
  const show = text => { document.getElementById('left').textContent = text; };
  source.addEventListener('left', event => show(JSON.parse(event.data).seconds));
  // The end comes once. When the browser comes back it is told that there is nothing more, and stays away.
  source.addEventListener('sse.end', event => show(JSON.parse(event.data).reason));
</script>
"""


class PageHandler(RequestHandler):
    """The page that shows the countdown."""

    def get(self) -> None:
        """Answer with the page."""
        self.finish(PAGE)


class CountdownHandler(EventStreamHandler):
    """Counts the seconds down for each reader; who lost the connection goes on where he was."""

    watching = 0

    async def events(self, seconds: str):
        """Yield how many seconds are left. The id of an event says it too, so that a returning reader brings it."""
        first = self.first(seconds)
        CountdownHandler.watching += 1
        try:
            for left in range(first, -1, -1):
                yield {"data": {"seconds": left, "watching": self.watching}, "event": "left", "id": left}
                if left:
                    await asyncio.sleep(1)
        finally:
            # Also when the reader has gone.
            CountdownHandler.watching -= 1

    def first(self, seconds: str) -> int:
        """Return how many seconds are left for this reader."""
        if self.last_event_id is not None:
            # Anybody can send any text.
            if not self.last_event_id.isdecimal():
                raise sse.HTTPError(400, f"expected the id of an event, got {self.last_event_id!r}")
            seconds = int(self.last_event_id) - 1
        if int(seconds) > 3_600:
            raise sse.HTTPError(400, f"expected at most 3600 seconds, got {seconds}")
        return int(seconds)


def make_app() -> Application:
    """Return the application."""
    return Application([(r"/", PageHandler), (r"/countdown/(\d+)", CountdownHandler)])


async def main(port: int = 8000) -> None:
    """Serve until a signal comes."""
    application = make_app()
    server = application.listen(port, "127.0.0.1")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.stop()
    await close_event_streams(application)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
