"""For tests of one's own streams: collect what they send, without Jupyter around them.

With ``pytest_plugins = ["jupyter_sse.testing.fixtures"]`` in a ``conftest.py`` pytest knows the fixture ``sse_hub``.
"""

from __future__ import annotations

from jupyter_sse.testing.application import serve
from jupyter_sse.testing.collecting import TooFewEventsError, acollect, collect
from jupyter_sse.testing.local_hub import LocalHub, hub

__all__ = ["LocalHub", "TooFewEventsError", "acollect", "collect", "hub", "serve"]
