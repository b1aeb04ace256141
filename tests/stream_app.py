"""An application of Tornado whose handlers stream, in a process of its own: ``python stream_app.py <port> [cert key]``.

What its generators do is told at ``/marks``.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from ssl import PROTOCOL_TLS_SERVER, SSLContext

from tornado.web import Application, RequestHandler

import jupyter_sse as sse
from jupyter_sse.server import EventStreamHandler, close_event_streams

MARKS: dict[str, float] = {}
"""When something happened last, in seconds since the epoch; or how often."""


def mark(what: str) -> None:
    MARKS[what] = time.time()


class Marks(RequestHandler):
    def get(self):
        self.finish(
            {"marks": MARKS, "modules": [name for name in ("jupyter_server", "IPython") if name in sys.modules]}
        )


class Numbers(EventStreamHandler):
    """Five numbers with ids, from after the last one that the reader has seen."""

    async def events(self):
        for number in range(int(self.last_event_id or 0) + 1, 6):
            yield {"data": {"number": number}, "event": "number", "id": number}


class Refusing(EventStreamHandler):
    async def events(self, status):
        raise sse.HTTPError(int(status), "Too many connections", {"Retry-After": "7", "WWW-Authenticate": "Bearer"})
        yield


class Failing(EventStreamHandler):
    async def events(self, when):
        if when == "after":
            yield "first"
        if when == "refused":
            yield "first"
            raise sse.HTTPError(403, "no longer")
        raise KeyError("a secret place")


class Headed(EventStreamHandler):
    async def events(self):
        self.set_header("X-Run", "17")
        self.set_cookie("login", "secret")
        yield "with a header"


class Strict(EventStreamHandler):
    async def events(self):
        try:
            yield b"bytes"
        except sse.SSEError as error:
            yield {"caught": type(error).__name__, "line": error.__traceback__.tb_lineno}
        yield {"data": "1", "event": "a\nb"}


class Waiting(EventStreamHandler):
    """Waits for an hour, before or after its first event."""

    async def events(self, when):
        try:
            if when == "after":
                yield "first"
            mark(f"waits {when}")
            await asyncio.sleep(3600)
        finally:
            mark(f"cleaned up {when}")


class Slow(EventStreamHandler):
    """Its first event comes after more than the head waits."""

    head_timeout = 0.2

    async def events(self):
        await asyncio.sleep(0.6)
        yield "late"


class Silent(EventStreamHandler):
    ping_interval = 0.1
    head_timeout = 0.05
    reconnection_time = 1000

    async def events(self):
        await asyncio.sleep(3600)
        yield


class Many(EventStreamHandler):
    """A million events of a kilobyte, without a pause."""

    stall_timeout = None

    async def events(self):
        try:
            for number in range(1_000_000):
                MARKS["yielded"] = number
                yield {"number": number, "padding": "x" * 1000}
        finally:
            mark("many cleaned up")


class Tiny(EventStreamHandler):
    """A million small events, which a reader takes as fast as they come."""

    async def events(self):
        for number in range(1_000_000):
            MARKS["tiny"] = number
            yield "x"


class ManyStalling(Many):
    stall_timeout = 0.4


class Aged(EventStreamHandler):
    """Numbers without end; every connection is closed after a short time."""

    max_age = 0.3
    reconnection_time = 20

    async def events(self):
        number = int(self.last_event_id or 0)
        while True:
            number += 1
            yield {"data": number, "id": number}
            await asyncio.sleep(0.01)


class NoGenerator(EventStreamHandler):
    async def events(self):
        return ["nothing"]


class Posted(EventStreamHandler):
    async def post(self):
        await self.respond()

    async def events(self):
        for word in self.request.body.decode().split():
            yield word


def make_app() -> Application:
    return Application(
        [
            ("/marks", Marks),
            ("/numbers", Numbers),
            (r"/refusing/(\d+)", Refusing),
            (r"/failing/(\w+)", Failing),
            ("/headed", Headed),
            ("/strict", Strict),
            (r"/waiting/(\w+)", Waiting),
            ("/slow", Slow),
            ("/silent", Silent),
            ("/many", Many),
            ("/tiny", Tiny),
            ("/many/stalling", ManyStalling),
            ("/aged", Aged),
            ("/none", NoGenerator),
            ("/posted", Posted),
        ],
        compress_response=True,
    )


async def main(port: str, *certificate: str) -> None:
    context = None
    if certificate:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    application = make_app()
    server = application.listen(int(port), "127.0.0.1", ssl_options=context)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    server.stop()
    closed = await close_event_streams(application)
    cleaned_up = sorted(name for name in MARKS if name.startswith("cleaned up"))
    sys.stdout.write(f"closed {closed} {cleaned_up}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
