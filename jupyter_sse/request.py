"""Who reads: what a per-subscriber generator is told of its reader, and the response headers that it may set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from jupyter_sse.header import checked_header


@dataclass(frozen=True)
class User:
    """Who is logged in, as Jupyter's identity provider knows them.

    Attributes:
        username: names the user among all of the server.
        name: for people.
        display_name: for people, where there is little room for a full name.
        initials: of the name.
        avatar_url: a picture.
        color: of the user's cursor.
    """

    username: str
    name: str = ""
    display_name: str = ""
    initials: str | None = None
    avatar_url: str | None = None
    color: str | None = None

    def __str__(self) -> str:
        return self.username


class Headers(Mapping[str, str]):
    """Request headers, by names in whatever case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return f"Headers({self._headers!r})"


class Query(Mapping[str, str]):
    """What stands behind the question mark: of a name that comes several times the last value, or ``all`` of them."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = {name: tuple(of_name) for name, of_name in values.items() if of_name}

    def __getitem__(self, name: str) -> str:
        return self._values[name][-1]

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a name, in order; none where there is none."""
        return self._values.get(name, ())

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Query({self._values!r})"


@dataclass(frozen=True)
class Request:
    """What a reader has asked for. No credentials are in it.

    Attributes:
        path: below ``/sse/``.
        path_params: the text of each path parameter, before its conversion.
        query: the parameters behind the question mark.
        headers: as they came, but for cookies, logins and the like.
        user: who is logged in; None where the reader came without a login, as from another kernel.
        address: the reader's, as the server sees it.
        last_event_id: what a returning reader saw last; None where it is new.
        connection: names the connection, as ``sse.open`` does.

    Threads: any.
    """

    path: str
    path_params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    query: Query = field(default_factory=lambda: Query({}))
    headers: Headers = field(default_factory=lambda: Headers({}))
    user: User | None = None
    address: str = ""
    last_event_id: str | None = None
    connection: str = ""
    _head: _Head = field(default_factory=lambda: _Head(), repr=False, compare=False)

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Read what the hub tells of a reader."""
        told = json.loads(text)
        return cls(
            path=told["path"],
            path_params=MappingProxyType(told.get("path_params") or {}),
            query=Query(told.get("query") or {}),
            headers=Headers(told.get("headers") or {}),
            user=_user(told.get("user")),
            address=told.get("address") or "",
            last_event_id=told.get("last_event_id"),
            connection=told.get("connection") or "",
        )

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The headers that were set with ``set_header``."""
        return MappingProxyType(self._head.headers)

    def set_header(self, name: str, value: object) -> None:
        """Set a header of the response. The head of the response goes out with the first event, or after one second.

        Args:
            name: of the header; cookies, and what makes the response a stream, are the server's.
            value: one line of ASCII, or a number.

        Raises:
            ValueError: the header cannot be sent.
            RuntimeError: the first event has been yielded; the head went before it.
        """
        if self._head.is_sent:
            raise RuntimeError(
                f"header {name}: expected it before the first event, got it after; set it above the first yield"
            )
        name, text = checked_header(name, value)
        for other in [one for one in self._head.headers if one.lower() == name.lower()]:
            del self._head.headers[other]
        self._head.headers[name] = text

    def take_headers(self) -> dict[str, str]:
        """Return the headers of the response; none can be set from now on."""
        self._head.is_sent = True
        return dict(self._head.headers)


@dataclass
class _Head:
    """The head of the response, as far as it is the generator's."""

    headers: dict[str, str] = field(default_factory=dict)
    is_sent: bool = False


def _user(told: dict[str, Any] | None) -> User | None:
    if not told:
        return None
    known = {one.name for one in fields(User)}
    return User(**{name: value for name, value in told.items() if name in known})
