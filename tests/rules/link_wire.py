"""A wire between a kernel's link and the hub that can be cut."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path


class LinkWire:
    """Passes on what link and hub send each other. Use as a context manager.

    Attributes:
        path: The socket at the kernel's end.
    """

    def __init__(self, hub_path: str, *, is_cut: bool = False) -> None:
        self._hub_path = hub_path
        self._folder = tempfile.TemporaryDirectory(prefix="sse-")
        self._door: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self.path = str(Path(self._folder.name) / "link")
        if not is_cut:
            self.mend()

    def __enter__(self) -> LinkWire:
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()
        self._folder.cleanup()

    def mend(self) -> None:
        """Let connections be made."""
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(self.path)
        self._door.listen()
        threading.Thread(target=self._accept, args=(self._door,), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        with self._lock:
            door, self._door = self._door, None
            ends, self._ends = self._ends, []
        if door is not None:
            Path(self.path).unlink()
            close(door)
        for end in ends:
            close(end)

    def _accept(self, door: socket.socket) -> None:
        while True:
            try:
                near, _ = door.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._hub_path)
            with self._lock:
                self._ends += [near, far]
                is_late = self._door is not door
            if is_late:
                close(near)
                close(far)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=(source, sink), daemon=True).start()


def pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Send on what comes until either side is gone."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    close(source)
    close(sink)


def close(end: socket.socket) -> None:
    """Hang up, also under the feet of a thread that waits for it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
