"""Follow a growing file of a Jupyter server as an event stream."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.application import ExtensionApp
from traitlets import Float

import jupyter_sse as sse
from jupyter_sse.server import EventStreamHandler

LONGEST_LINE = 64 << 10
"""A longer line comes in pieces of so many bytes."""


class TailHandler(EventStreamHandler, JupyterHandler):
    """The lines of a file, from where the reader was: the id of a line is where the next one begins, in bytes."""

    auth_resource = "contents"

    def initialize(self, interval: float) -> None:
        """Take what the routes of the extension hand over.

        Args:
            interval: seconds between two looks at the file.
        """
        self.interval = interval

    async def events(self, path: str):
        """Yield the lines that are written, with `truncated` where the file has become shorter."""
        file = self.find(path)
        with file.open("rb") as lines:
            lines.seek(self.start(file.stat().st_size))
            while True:
                if file.stat().st_size < lines.tell():
                    lines.seek(0)
                    yield {"data": path, "event": "truncated", "id": 0}
                position = lines.tell()
                line = lines.readline(LONGEST_LINE)
                if line.endswith(b"\n") or len(line) == LONGEST_LINE:
                    yield {"data": line.decode(errors="replace").rstrip("\r\n"), "id": lines.tell()}
                else:
                    # Nothing new, or a line of which the end is still to be written.
                    lines.seek(position)
                    await asyncio.sleep(self.interval)

    def find(self, path: str) -> Path:
        """Return the file, if the contents manager would show it."""
        root = Path(self.settings["server_root_dir"]).expanduser().resolve()
        file = root.joinpath(path).resolve()
        is_hidden = any(part.startswith(".") for part in Path(path).parts)
        if is_hidden or not file.is_relative_to(root) or not file.is_file():
            raise sse.HTTPError(404, f"expected the path of a file on this server, got {path!r}")
        return file

    def start(self, size: int) -> int:
        """Return where to begin to read."""
        if self.last_event_id is None:
            return size
        if not self.last_event_id.isascii() or not self.last_event_id.isdigit():
            raise sse.HTTPError(400, f"expected a position in bytes, got {self.last_event_id!r}")
        # Beyond the end is a file that has become shorter since.
        return min(int(self.last_event_id), size + 1)


class TailApp(ExtensionApp):
    """The extension."""

    name = "sse_tail"

    interval = Float(0.2, min=0.01, help="Seconds between two looks at a file.").tag(config=True)

    def initialize_handlers(self) -> None:
        """Add the route."""
        self.handlers.append((r"/tail/(.+)", TailHandler, {"interval": self.interval}))


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    return [{"module": "sse_tail", "app": TailApp}]
