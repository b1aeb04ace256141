"""What all our handlers have in common: who asks, how a refusal reads, what reaches the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from jupyter_server.auth.identity import (
    IdentityProvider,
    LegacyIdentityProvider,
    PasswordIdentityProvider,
)
from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_sse.server.refusal import Refusal, plain_refusal, refusal_of

if TYPE_CHECKING:
    from types import TracebackType

    from jupyter_sse.server.service import Service

RESOURCE = "sse"
"""What an authorizer is asked about; the actions are ``read`` and ``write``."""

ONE_OWNER = (IdentityProvider, LegacyIdentityProvider, PasswordIdentityProvider)
"""Providers of servers with one owner, who gets a new random name at each request without a cookie."""

LOGIN = (
    "expected a login, got none that this server knows; send the header 'Authorization: token <token>' with the "
    "server's token or with the stream token that '%sse url' gives; in a browser log in, and from a page send the "
    "value of the cookie _xsrf in the header X-XSRFToken"
)
FORBIDDEN = (
    "expected a request that its login may make, got one that it may not; from a page, send the value of the "
    "cookie _xsrf in the header X-XSRFToken, else ask who runs the server for the permission"
)


class SSEHandler(APIHandler):
    """The base of our handlers. Every method of a child carries ``@web.authenticated`` and ``@authorized``."""

    auth_resource = RESOURCE
    allowed_methods = "GET, HEAD, OPTIONS"

    def initialize(self, service: Service) -> None:
        """Take what the routes of the extension hand over."""
        self.service = service

    @property
    def user_key(self) -> str:
        """Who asks, as far as two requests can be known to come from the same person."""
        if type(self.identity_provider) in ONE_OWNER:
            return "owner"
        return self.current_user.username

    @property
    def loggable_path(self) -> str:
        """All of the request's address that may stand in a log: a token may stand in the rest."""
        return (self.request.uri or "").partition("?")[0]

    def answer(self, value: Any, status: int = 200) -> None:
        """Finish with ``value``: JSON text as it is, anything else as its JSON."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def answer_nothing(self) -> None:
        """Finish with 204 and no body."""
        self.set_status(204)
        self.finish()

    def get_login_url(self) -> NoReturn:
        """Refuse: neither an EventSource nor a script can follow a redirect to a login page."""
        raise Refusal(403, LOGIN, "login")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer ``{"message", "reason"}``, the message saying what to do."""
        cause = (kwargs.get("exc_info") or (None, None))[1]
        refusal = self.as_refusal(status_code, cause)
        for name, value in refusal.headers.items():
            self.set_header(name, value)
        self.service.counts.refuse(refusal.status_code)
        told = {"message": refusal.message, "reason": refusal.kind, **self.refusal_details()}
        self.answer(told, refusal.status_code)

    def refusal_details(self) -> dict[str, Any]:
        """Return what a refusal also says: what was done before it."""
        return {}

    def as_refusal(self, status: int, cause: Any) -> Refusal:
        """Say in our way what the hub, Tornado or Jupyter refused."""
        refusal = cause if isinstance(cause, Refusal) else refusal_of(cause)
        if refusal is not None:
            return refusal
        if status == 405:
            message = f"expected one of {self.allowed_methods} at this address, got {self.request.method}"
            return Refusal(405, message, "method", {"Allow": self.allowed_methods})
        if status == 403:
            is_known = getattr(self, "_jupyter_current_user", None) is not None
            return Refusal(403, FORBIDDEN, "forbidden") if is_known else Refusal(403, LOGIN, "login")
        return plain_refusal(status, cause)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log without query string and headers: Tornado would log both, and a token may stand in them."""
        if isinstance(value, web.HTTPError) or refusal_of(value) is not None:
            self.log.debug("%s %s: %s", self.request.method, self.loggable_path, value)
        else:
            self.log.error("Error in %s %s", self.request.method, self.loggable_path, exc_info=(typ, value, tb))
