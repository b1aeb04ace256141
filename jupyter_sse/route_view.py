"""What stands under the cell of a route: its address, how to read it, and how many do."""

from __future__ import annotations

import contextlib
import shlex
import uuid
from html import escape
from typing import TYPE_CHECKING

from jupyter_sse.transport import split_address

if TYPE_CHECKING:
    from jupyter_sse.client import Client
    from jupyter_sse.origin import Origin
    from jupyter_sse.route import Route


class RouteView:
    """The address of a route and the number of its readers, kept up to date.

    Attributes:
        name: the pattern.
        origin: the cell.
        is_over: the route has been taken away.

    Threads: every method may be called from any thread.
    """

    def __init__(self, client: Client, route: Route) -> None:
        self.name = route.pattern
        self.origin: Origin = route.origin
        self.is_over = False
        self._client = client
        self._route = route
        self._display_id = uuid.uuid4().hex
        self._shown = ""

    def show(self) -> None:
        """Display it in the cell that is being run."""
        self._publish(is_update=False)
        if self.origin.is_kernel:
            self._client.pictures.add(self)

    def changed(self) -> None:
        """Show the number of readers soon."""
        if self.origin.is_kernel:
            self._client.pictures.hasten(self)

    def close(self) -> None:
        """Say that the route is gone."""
        self.is_over = True
        if self.origin.is_kernel:
            self._client.pictures.hurry(self)

    def refresh(self) -> bool:
        """Bring it up to date.

        Returns:
            Whether there may be more to come.
        """
        if self._text() != self._shown:
            self._publish(is_update=True)
        return not self.is_over

    def _text(self) -> str:
        if self.is_over:
            return f"Route {self.name} ({self.origin.text}): stopped"
        readers = len(self._route.requests)
        return f"Route {self.name} ({self.origin.text}): {_count(readers)}"

    def _command(self) -> str | None:
        """Return how to read it in a shell; None where there is no server."""
        url = self._client.stream_url(self.name)
        if url is None or self.is_over:
            return None
        address, unix_socket = split_address(url)
        through = "" if unix_socket is None else f"--unix-socket {shlex.quote(unix_socket)} "
        return f'curl -N {through}-H "Authorization: token $JUPYTER_TOKEN" {shlex.quote(address)}'

    def _publish(self, *, is_update: bool) -> None:
        from IPython.display import display

        self._shown = self._text()
        command = self._command()
        plain = self._shown if command is None else f"{self._shown}\n{command}"
        code = "" if command is None else f"<br><code>{escape(command)}</code>"
        html = f'<div style="font:12px sans-serif">{escape(self._shown)}{code}</div>'
        # A program that runs notebooks only hears what belongs to the cell that it runs now.
        goes_to_cell = not (is_update and self.origin.is_unattended)
        with self.origin.pinned() if goes_to_cell else contextlib.nullcontext():
            display(
                {"text/plain": plain, "text/html": html},
                raw=True,
                display_id=self._display_id,
                update=is_update,
            )


def _count(readers: int) -> str:
    if readers == 0:
        return "nobody reads it"
    return f"{readers:,} read it" if readers > 1 else "1 reads it"
