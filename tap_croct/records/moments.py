"""Times: from milliseconds to RFC 3339, in all records of a page."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tap_croct import times
from tap_croct.decoding import number, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

Paths = dict[str, "Paths | None"]
"""Names of properties that are times (None), and of objects with times in them."""


def time_paths(schema: dict[str, Any]) -> Paths:
    """Return where a schema declares times, at every depth."""
    paths: Paths = {}
    for name, prop in schema["properties"].items():
        if prop.get("format") == "date-time":
            paths[name] = None
        elif "properties" in prop and (below := time_paths(prop)):
            paths[name] = below
    return paths


def format_times(items: Sequence[Any], paths: Paths) -> None:
    """Turn times from milliseconds since the epoch into RFC 3339 strings.

    Args:
        items: Structs of the usual shape; they are changed. What is not an integer stays.
        paths: Where the times are.
    """
    for name, below in paths.items():
        values = map(attrgetter(name), items)
        if below is not None:
            format_times([value for value in values if isinstance(value, Struct)], below)
        else:
            texts = times.to_rfc3339s(values)
            deque(map(setattr, items, repeat(name), texts), maxlen=0)  # a third less than a loop


def convert_times(row: dict[str, Any], paths: Paths) -> bool:
    """Turn times into RFC 3339 strings, whatever stands in their place.

    Args:
        row: A record; it is changed. What is not a number stays as it came.
        paths: Where the times are.

    Returns:
        Whether there were numbers that are not a time of any calendar: they become null.
    """
    lost = False
    for name in paths.keys() & row.keys():
        below = paths[name]
        if below is None:
            lost |= _convert(row, name)
        elif (value := opened(row[name])) is not None:
            lost |= convert_times(value, below)
            row[name] = value
    return lost


def _convert(row: dict[str, Any], name: str) -> bool:
    value = number(row[name])
    if type(value) not in (int, Decimal):
        return False
    ms = times.to_milliseconds(value)
    try:
        row[name] = None if ms is None else times.to_rfc3339(ms)
    except OverflowError:
        row[name] = None
    return row[name] is None
