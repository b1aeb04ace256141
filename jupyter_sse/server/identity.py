"""Stream tokens: who holds one may read one stream, without a login."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.auth.identity import IdentityProvider, User

if TYPE_CHECKING:
    from jupyter_server.base.handlers import JupyterHandler
    from tornado.httputil import HTTPServerRequest

    from jupyter_sse.server.stream import StreamHandler

PREFIX = "sse_"
HEADER = re.compile(r"(?:bearer|token)\s+(\S+)", re.IGNORECASE)


def stream_token(request: HTTPServerRequest) -> str | None:
    """Return the stream token that a request carries, in its header or its address."""
    match = HEADER.fullmatch(request.headers.get("Authorization", "").strip())
    tokens = [match[1]] if match else []
    tokens += [value.decode("latin-1") for value in request.query_arguments.get("token", [])]
    return next((token for token in tokens if token.startswith(PREFIX)), None)


class StreamTokenIdentity(IdentityProvider):
    """Knows the holders of stream tokens, in place of the server's own provider and only for such a request.

    So no stream token is shown to a JupyterHub, and no login cookie is given for one.
    """

    def get_user(self, handler: StreamHandler) -> User | None:
        """Return the holder, where the token holds for every stream that is asked for."""
        token = stream_token(handler.request)
        names = handler.requested_names()
        if token is None or not names or not all(handler.service.hub.check_token(token, name) for name in names):
            return None
        # Named so that a log tells two holders apart, and the token cannot be learnt from it.
        return User(username=f"stream-token-{hashlib.sha256(token.encode()).hexdigest()[:8]}")

    def is_token_authenticated(self, handler: JupyterHandler) -> bool:
        """Tell whether the token held: no cookie was looked at, so no XSRF and no origin to check."""
        return handler.current_user is not None


class StreamTokenAuthorizer(Authorizer):
    """Lets holders of stream tokens read. Which stream, :class:`StreamTokenIdentity` has decided."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:  # noqa: ARG002
        """Tell whether ``action`` is reading."""
        return action == "read" and resource == "sse"
