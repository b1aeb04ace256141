"""`python -m benchmarks.peers.nchan_publisher PORT`: posts to nchan, many requests in one write."""

from __future__ import annotations

import socket
import sys
import threading

from benchmarks.schedule import obey


class Poster:
    """One connection. Answers are counted by a thread, so that posting never waits for one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._posted = self._answered = 0
        self._answers = threading.Condition()
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._posted = self._answered = 0
        threading.Thread(target=self._count_answers, args=(self._socket,), daemon=True).start()

    def put_all(self, texts: list[str]) -> None:
        """Post each text."""
        head = "POST /publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        self._posted += len(texts)
        requests = "".join(f"{head}{len(text)}\r\n\r\n{text}" for text in texts).encode()
        try:
            self._socket.sendall(requests)
        except ConnectionError:
            # nginx ends a connection that was silent for long.
            self._connect()
            self._posted = len(texts)
            self._socket.sendall(requests)

    def flush(self) -> None:
        """Wait until everything is answered."""
        with self._answers:
            self._answers.wait_for(lambda: self._answered >= self._posted, timeout=30)

    def _count_answers(self, connection: socket.socket) -> None:
        tail = b""
        while received := connection.recv(1 << 16):
            text = tail + received
            with self._answers:
                self._answered += text.count(b"HTTP/1.1 2")
                self._answers.notify_all()
            # The mark may be cut in two, but is never counted twice.
            tail = text[-9:] if not text.endswith(b"HTTP/1.1 2") else b""


def main() -> None:
    """Publish as told."""
    poster = Poster(int(sys.argv[1]))
    obey(poster.put_all, poster.flush)


if __name__ == "__main__":
    main()
