"""Who may read a handler's stream in a Jupyter server: whom Jupyter itself lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.utils import ensure_async
from tornado import web

from jupyter_sse.server.handler import FORBIDDEN, LOGIN
from jupyter_sse.server.refusal import Refusal

if TYPE_CHECKING:
    from jupyter_server.base.handlers import JupyterHandler


async def check_access(handler: JupyterHandler) -> None:
    """Ask Jupyter's identity provider, authorizer, XSRF and origin checks, as its decorators and API handlers do.

    Args:
        handler: Of the request; ``auth_action`` and ``auth_resource`` are asked for.

    Raises:
        tornado.web.HTTPError: It may not be answered.
    """
    if handler.current_user is None:
        raise Refusal(403, LOGIN, "login")
    if not handler.check_origin():
        raise web.HTTPError(404)
    try:
        handler.check_xsrf_cookie()
    except web.HTTPError as error:
        raise Refusal(error.status_code, FORBIDDEN, "forbidden") from error
    is_allowed = await ensure_async(
        handler.authorizer.is_authorized(handler, handler.current_user, handler.auth_action, handler.auth_resource)
    )
    if not is_allowed:
        raise Refusal(403, FORBIDDEN, "forbidden")
