"""`python -m benchmarks.publisher STREAM`: a program that sends to a stream of ours as a kernel does.

``JUPYTER_SSE_LINK`` says which server; what and when is said by orders, see :func:`benchmarks.schedule.obey`.
"""

from __future__ import annotations

import sys

import jupyter_sse as sse
from benchmarks.schedule import obey


def main() -> None:
    """Open the stream and publish as told."""
    stream = sse.stream(sys.argv[1])
    stream.send("hello")
    stream.flush()

    def put_all(texts: list[str]) -> None:
        for text in texts:
            stream.send(text)

    obey(put_all, stream.flush)


if __name__ == "__main__":
    main()
