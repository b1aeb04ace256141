"""``StreamView``: the live view of a stream as an ipywidgets widget, to be put together with others."""

from __future__ import annotations

from ipywidgets import DOMWidget, register
from traitlets import Int, List, Unicode, validate

from jupyter_sse._rust import check_name
from jupyter_sse.options import VIEW_KINDS, check_window

MODULE_VERSION = "^1.0.0"


@register
class StreamView(DOMWidget):
    """The live view of a stream.

        HBox([StreamView(stream="loss"), StreamView(stream="cpu", kind="value")])

    The page gets the events from the server, not through the kernel.

    Attributes:
        stream: the stream's name.
        kind: plot, table, log, value, progress or raw; None: by the events.
        x: the key of the x axis; None: by the events.
        y: the keys that are drawn; None: all.
        window: how much of the x axis is shown; None: by the rate.
        height: of the view, in pixels.
        state: what the page says of the stream: live, ended and so on.
        events: how many events the page has got.
    """

    _model_module = Unicode("jupyter_sse").tag(sync=True)
    _model_module_version = Unicode(MODULE_VERSION).tag(sync=True)
    _model_name = Unicode("StreamModel").tag(sync=True)
    _view_module = Unicode("jupyter_sse").tag(sync=True)
    _view_module_version = Unicode(MODULE_VERSION).tag(sync=True)
    _view_name = Unicode("StreamView").tag(sync=True)

    stream = Unicode().tag(sync=True)
    kind = Unicode(None, allow_none=True).tag(sync=True)
    x = Unicode(None, allow_none=True).tag(sync=True)
    y = List(Unicode(), default_value=None, allow_none=True).tag(sync=True)
    window = Unicode(None, allow_none=True).tag(sync=True)
    height = Int(240).tag(sync=True)
    state = Unicode().tag(sync=True)
    events = Int(0).tag(sync=True)

    def __init__(self, stream: str, **traits: object) -> None:
        super().__init__(stream=stream, **traits)

    @validate("stream")
    def _check_stream(self, proposal: dict[str, str]) -> str:
        check_name(proposal["value"])
        return proposal["value"]

    @validate("kind")
    def _check_kind(self, proposal: dict[str, str | None]) -> str | None:
        kind = proposal["value"]
        if kind is not None and kind not in VIEW_KINDS:
            raise ValueError(f"kind: expected one of {', '.join(VIEW_KINDS)}, got {kind!r}")
        return kind

    @validate("window")
    def _check_window(self, proposal: dict[str, str | None]) -> str | None:
        window = proposal["value"]
        return None if window is None else check_window(window)

    @validate("height")
    def _check_height(self, proposal: dict[str, int]) -> int:
        if not 120 <= proposal["value"] <= 800:
            raise ValueError(f"height: expected 120 to 800 pixels, got {proposal['value']}")
        return proposal["value"]
