"""What ``%sse list`` shows: the streams and the routes of a server."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

Row = Sequence[str]

_STREAMS: Row = ("name", "state", "run", "events", "per second", "readers", "producer")
_ROUTES: Row = ("route", "readers", "producer")


class StreamList:
    """Streams, what lives first, then what has ended, with the events of their current runs; then routes.

    Args:
        streams: as the hub tells of them.
        routes: likewise.
    """

    def __init__(self, streams: list[dict[str, Any]], routes: list[dict[str, Any]] | None = None) -> None:
        self.streams = sorted(streams, key=lambda one: (one["end"] is not None, one["name"]))
        self.routes = sorted(routes or [], key=lambda one: one["pattern"])

    def _tables(self) -> list[list[Row]]:
        """Return the tables that have something in them, the head of each first."""
        tables = [[_STREAMS, *map(_stream_row, self.streams)], [_ROUTES, *map(_route_row, self.routes)]]
        return [table for table in tables if len(table) > 1]

    def __repr__(self) -> str:
        return "\n\n".join(map(_as_text, self._tables())) or "No streams."

    def _repr_html_(self) -> str:
        return "".join(map(_as_html, self._tables())) or "<div>No streams.</div>"


def _stream_row(one: dict[str, Any]) -> Row:
    return (
        one["name"],
        one["state"] if one["end"] is None else one["end"]["reason"],
        str(one["run"]),
        f"{one['run_events']:,}",
        f"{one['rate']:,.1f}",
        str(one["subscribers"]),
        _producer(one, one["kind"]),
    )


def _route_row(one: dict[str, Any]) -> Row:
    return one["pattern"], f"{one['visits']:,}", _producer(one, "")


def _producer(one: dict[str, Any], default: str) -> str:
    return (one["producer"] or {}).get("label", default)


def _as_text(table: list[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def _as_html(table: list[Row]) -> str:
    head = "".join(f"<th>{name}</th>" for name in table[0])
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
