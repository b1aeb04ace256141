"""The view of a stream under a cell, and the static picture that a saved notebook keeps of it."""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import time
import uuid
from html import escape
from typing import TYPE_CHECKING, Any

from jupyter_sse import picture
from jupyter_sse.error import SSEError
from jupyter_sse.history import read_history
from jupyter_sse.snapshot import SNAPSHOT_CHARACTERS, SNAPSHOT_EVENTS, Snapshot, take_snapshot

if TYPE_CHECKING:
    from jupyter_sse.client import Client
    from jupyter_sse.options import ViewOptions
    from jupyter_sse.origin import Origin
    from jupyter_sse.route_view import RouteView

MIME_TYPE = "application/vnd.jupyter-sse.v1+json"
LARGEST_BUNDLE_BYTES = 64_000

FIRST_PICTURE_AFTER = 2.0
PICTURE_INTERVAL = 10.0
HASTENED_AFTER = 0.5
FLUSH_TIMEOUT = 1.0
LEAST_READ_EVENTS = 200
# Without a server the picture is all there is to see.
ALONE_PICTURE_INTERVAL = 1.0


class View:
    """The live view of a stream: JupyterLab connects it to the server, other viewers show its picture.

    Shown as the last expression of a cell, or by ``show``.

    Attributes:
        name: the stream.
        run: the run it was made for; None for any.
        is_over: the run has ended.

    Threads: every method may be called from any thread.
    """

    def __init__(self, client: Client, name: str, options: ViewOptions, origin: Origin, run: int | None = None) -> None:
        self.name = name
        self.run = run
        self.origin = origin
        self.is_over = False
        self._client = client
        self._options = options
        self._display_id = uuid.uuid4().hex
        self._pictured_events = -1
        self._is_shown = False

    def replaced(self, run: int | None) -> View:
        """Return a view of another run, which is shown where this one stands."""
        view = View(self._client, self.name, self._options, self.origin, run)
        view._display_id = self._display_id
        view._is_shown = True
        return view

    def show(self) -> None:
        """Display the view in the cell that asks for it, and keep its picture up to date."""
        # A terminal cannot change what it has printed.
        if self.origin.is_kernel or not self._is_shown:
            self._publish(self._bundle(None, None), is_update=self._is_shown)
        self._is_shown = True
        if self.origin.is_kernel:
            self._client.pictures.add(self)

    def show_now(self) -> None:
        """Display the view of a stream that has events already, for a program that runs notebooks with its picture."""
        self.show()
        if self.origin.is_unattended:
            with contextlib.suppress(SSEError):
                self.refresh()

    def _ipython_display_(self) -> None:
        self.show_now()

    def close(self) -> None:
        """Take the last picture: the run has ended."""
        self.is_over = True
        self._client.pictures.hurry(self)

    def refresh(self) -> bool:
        """Bring the picture up to date, if there is anything new.

        Returns:
            Whether there may be more to come.

        Raises:
            SSEError: the hub cannot be asked.
        """
        if self.is_over:
            self._client.link.flush(FLUSH_TIMEOUT)
        answer = self._client.request("stream", name=self.name)
        # Another run of the stream has a view of its own.
        if answer.status != 200 or self.run not in (None, answer.body["run"]):
            return False
        stats = answer.body
        is_ended = stats["state"] == "ended"
        if is_ended or stats["events"] != self._pictured_events:
            self._pictured_events = stats["events"]
            events = read_history(self._client, self.name, last=_pictured(stats["history"]))
            self._publish(self._bundle(stats, take_snapshot(events, self._options)), is_update=True)
        return not is_ended

    def _publish(self, bundle: dict[str, Any], *, is_update: bool) -> None:
        from IPython.display import display

        # A program that runs notebooks only hears what belongs to the cell that it runs now.
        goes_to_cell = not (is_update and self.origin.is_unattended)
        with self.origin.pinned() if goes_to_cell else contextlib.nullcontext():
            display(bundle, raw=True, display_id=self._display_id, update=is_update)

    def _bundle(self, stats: dict[str, Any] | None, snapshot: Snapshot | None) -> dict[str, Any]:
        """Return what is displayed, in at most 64 kB."""
        is_progress = "progress" in (self._options.kind, snapshot and snapshot.kind)
        caption = self._caption(stats, "update" if is_progress else "event")
        bundle: dict[str, Any] = {"text/plain": caption}
        drawn = picture.draw(snapshot) if snapshot is not None else ""
        bundle["text/html"] = f'<div>{drawn}<div style="font:12px sans-serif">{escape(caption)}</div></div>'
        # Without a server there is nothing that a live view could connect to.
        if not self._client.is_alone:
            bundle[MIME_TYPE] = {
                "version": 1,
                "stream": self.name,
                "run": self.run,
                # What shows any run leaves it to the run to say where it comes from.
                "origin": "" if self.run is None else self.origin.text,
                "view": self._options.as_json(),
                "saved_at": None if snapshot is None else int(time.time() * 1000),
                "snapshot": None if snapshot is None else snapshot.as_json(),
            }
            if len(json.dumps(bundle)) > LARGEST_BUNDLE_BYTES:
                bundle[MIME_TYPE]["snapshot"] = None
        if len(json.dumps(bundle)) > LARGEST_BUNDLE_BYTES:
            bundle["text/html"] = f"<div>{escape(caption)}</div>"
        return bundle

    def _caption(self, stats: dict[str, Any] | None, noun: str) -> str:
        """Say in a line what is seen; of progress, whose events nobody counts, they are updates."""
        origin, run = self.origin.text, self.run
        if run is None:
            origin, run = ((stats["options"] or {}).get("origin"), stats["run"]) if stats else ("", None)
        source = ", ".join(part for part in (origin, "" if run is None else f"run {run}") if part)
        title = f"Stream {self.name} ({source})" if source else f"Stream {self.name}"
        if stats is None:
            return title
        state = stats["state"]
        if state == "ended":
            state = (stats["end"] or {}).get("reason", "ended")
        saved = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        count = stats["run_events"]
        return f"{title}: {count:,} {noun}{'' if count == 1 else 's'}, {state}; saved {saved}"


def _pictured(held: dict[str, int]) -> int:
    """Return how many events a picture is made of, from what the hub holds: of long ones only so many as are used."""
    fitting = SNAPSHOT_CHARACTERS * held["events"] // max(held["bytes"], 1)
    # The newest may be shorter than the others.
    return min(max(fitting, LEAST_READ_EVENTS), SNAPSHOT_EVENTS)


class Pictures:
    """Keeps the pictures of a process's views up to date, from a thread of its own that mostly sleeps."""

    def __init__(self, client: Client) -> None:
        self._interval = ALONE_PICTURE_INTERVAL if client.is_alone else PICTURE_INTERVAL
        # Guards _due and _is_started; the views' own methods are called without it.
        self._changed = threading.Condition()
        self._due: dict[View | RouteView, float] = {}
        self._is_started = False

    def add(self, view: View | RouteView) -> None:
        """Take a view's picture soon, and from then on whenever it has something new, but not too often.

        A view of the same stream that the same cell has shown before is let go.
        """
        with self._changed:
            for other in list(self._due):
                if other.name == view.name and other.origin.is_same_cell(view.origin):
                    del self._due[other]
            self._due[view] = time.monotonic() + min(FIRST_PICTURE_AFTER, self._interval)
            if not self._is_started:
                self._is_started = True
                threading.Thread(target=self._work, name="jupyter_sse pictures", daemon=True).start()
            self._changed.notify_all()

    def hurry(self, view: View | RouteView) -> None:
        """Take a view's picture now."""
        with self._changed:
            if view in self._due:
                self._due[view] = 0.0
                self._changed.notify_all()

    def hasten(self, view: View | RouteView) -> None:
        """Take a view's picture within a second: it has something new, and may soon have more."""
        with self._changed:
            if view in self._due:
                self._due[view] = min(self._due[view], time.monotonic() + HASTENED_AFTER)
                self._changed.notify_all()

    def catch_up(self, timeout: float) -> None:
        """Wait until the last pictures of what has ended are taken, for so many seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not any(view.is_over for view in self._due), timeout)

    def _work(self) -> None:
        while True:
            view = self._wait_for_due()
            # What ends while its picture is taken gets another one.
            is_last = view.is_over
            goes_on = True
            with contextlib.suppress(Exception):
                # A hub or a frontend that has gone, a value that cannot be drawn: the next picture may be better.
                goes_on = view.refresh()
            if is_last or not goes_on:
                with self._changed:
                    self._due.pop(view, None)
                    self._changed.notify_all()

    def _wait_for_due(self) -> View | RouteView:
        with self._changed:
            while True:
                view = min(self._due, key=self._due.__getitem__, default=None)
                if view is None:
                    self._changed.wait()
                    continue
                left = self._due[view] - time.monotonic()
                if left <= 0:
                    self._due[view] = time.monotonic() + self._interval
                    return view
                self._changed.wait(left)
