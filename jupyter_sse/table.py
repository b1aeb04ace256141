"""A stream's history as a pandas table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_sse.history import read_history

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_sse.client import Client


LEVELS = 16


def history_table(client: Client, name: str) -> pd.DataFrame:
    """Return a stream's history; ``Stream.to_pandas`` says how.

    Raises:
        UnknownStreamError: there is no such stream.
    """
    import pandas as pd

    events = read_history(client, name)
    has_types = any(event.event != "message" for event in events)
    rows = []
    for event in events:
        row: dict[str, Any] = {"event": event.event} if has_types else {}
        row.update(flat(event.value()))
        rows.append(row)
    times = [event.at for event in events]
    if not events or None in times:
        return pd.DataFrame(rows)
    return pd.DataFrame(rows, index=pd.DatetimeIndex(pd.to_datetime(times, unit="ms", utc=True), name="time"))


def flat(value: Any, levels: int = LEVELS) -> dict[str, Any]:
    """Return a value as columns: keys of dicts in dicts joined by dots, what is no dict as ``data``.

    Dicts below the last level are values of their columns: nobody reads longer names, and what somebody has posted may
    be nested without end.
    """
    return _flat(value, levels) if isinstance(value, dict) else {"data": value}


def _flat(value: dict[str, Any], levels: int) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, dict) and item and levels > 1:
            columns.update({f"{key}.{inner}": found for inner, found in _flat(item, levels - 1).items()})
        else:
            columns[key] = item
    return columns
