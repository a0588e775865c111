"""Times: from milliseconds to RFC 3339, in all records of a page at once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_croct import times
from tap_croct.decoding import having, integers, number, open_objects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNKNOWN = (None,)

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


def convert_times(
    rows: list[dict[str, Any]], paths: Paths, known: Mapping[str, Sequence[int | None]]
) -> bool:
    """Turn times from milliseconds since the epoch into RFC 3339 strings.

    Args:
        rows: Records; they are changed. What is not a number stays as it came.
        paths: Where the times are.
        known: Columns that were decoded before, by name: milliseconds since the epoch, or None
            for whatever has to be looked at again.

    Returns:
        Whether there were numbers that are not a time of any calendar: they become null.
    """
    lost = False
    for name, below in paths.items():
        if below is None:
            lost |= _convert(rows, name, known.get(name, _UNKNOWN))
        else:
            lost |= convert_times(open_objects(rows, name), below, {})
    return lost


def _convert(rows: Sequence[dict[str, Any]], name: str, found: Sequence[int | None]) -> bool:
    try:
        if None in found:
            rows, values = having(rows, name)
            found = integers(values)
        texts = times.to_rfc3339s(found)
    except (OverflowError, msgspec.ValidationError):
        return sum(_convert_one(row, name) for row in rows) > 0  # all of them
    for row, text in zip(rows, texts, strict=True):
        row[name] = text
    return False


def _convert_one(row: dict[str, Any], name: str) -> bool:
    value = number(row[name])
    if type(value) not in (int, Decimal):
        return False
    ms = times.to_milliseconds(value)
    try:
        row[name] = None if ms is None else times.to_rfc3339(ms)
    except OverflowError:
        row[name] = None
    return row[name] is None
