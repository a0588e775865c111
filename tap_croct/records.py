"""From an item of the API to a record."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from tap_croct import times

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "croct.com")
_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")


def derived_key(item: dict[str, Any]) -> str:
    """Derive the primary key of an item that has none.

    Args:
        item: The item as the API gave it.

    Returns:
        UUID version 5 of its canonical JSON (properties sorted, at every depth).
    """
    return str(uuid.uuid5(_NAMESPACE, _CANONICAL.encode(item).decode()))


def convert_time(row: dict[str, Any], path: tuple[str, ...]) -> bool:
    """Turn a time from milliseconds since the epoch into an RFC 3339 string.

    Args:
        row: A record; it is changed. What is no whole number stays as it came.
        path: The names of the properties that lead to the time.

    Returns:
        False if no calendar has that time: it becomes null.
    """
    *parents, name = path
    parent: Any = row
    for step in parents:
        parent = parent.get(step) if isinstance(parent, dict) else None
    ms = times.to_milliseconds(parent.get(name)) if isinstance(parent, dict) else None
    if ms is None:
        return True
    try:
        parent[name] = times.to_rfc3339(ms)
    except OverflowError:
        parent[name] = None
        return False
    return True


def omit_null_objects(row: dict[str, Any], schema: dict[str, Any], depth: int) -> None:
    """Leave out the objects that are null: flattened, they would be columns of no schema.

    Args:
        row: A record; it is changed.
        schema: Its schema.
        depth: How many levels are flattened.
    """
    for name, prop in schema["properties"].items() if depth else ():
        if "properties" in prop and name in row:
            if isinstance(row[name], dict):
                omit_null_objects(row[name], prop, depth - 1)
            elif row[name] is None:
                del row[name]
