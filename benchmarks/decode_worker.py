"""`python decode_worker.py NAME`: one decoder of event streams, in the environment that has it. Prints events/s."""

from __future__ import annotations

import sys
import time

EVENTS = 100_000
CHUNK_BYTES = 65_536


def wire() -> list[bytes]:
    """Return the stream as it comes: events of about 120 bytes with an id, in pieces of 64 KiB."""
    text = "x" * 70
    blocks = (f'id: e-{number}-{number}\ndata: {{"step": {number}, "x": "{text}"}}\n\n' for number in range(EVENTS))
    whole = "".join(blocks).encode()
    return [whole[at : at + CHUNK_BYTES] for at in range(0, len(whole), CHUNK_BYTES)]


def ours(chunks: list[bytes]) -> int:
    """jupyter_sse.Decoder."""
    from jupyter_sse import Decoder

    decoder = Decoder()
    count = 0
    for chunk in chunks:
        for event in decoder.feed(chunk):
            count += bool(event.data)
    return count


def httpx_sse(chunks: list[bytes]) -> int:
    """httpx-sse, over a response of httpx."""
    import httpx
    from httpx_sse import EventSource

    class Body(httpx.SyncByteStream):
        def __iter__(self):
            return iter(chunks)

    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Body())
    return sum(bool(event.data) for event in EventSource(response).iter_sse())


DECODERS = {"jupyter_sse": ours, "httpx-sse": httpx_sse}


def main() -> None:
    """Print the best of three runs."""
    decode = DECODERS[sys.argv[1]]
    chunks = wire()
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        count = decode(chunks)
        seconds = time.perf_counter() - start
        if count != EVENTS:
            raise SystemExit(f"expected {EVENTS} events, got {count}")
        best = max(best, EVENTS / seconds)
    print(best)


if __name__ == "__main__":
    main()
