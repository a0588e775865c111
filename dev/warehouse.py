"""Comparing a DuckDB warehouse with the source, every row and every value."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dev.expected import KEYS
from tap_croct import schemas

if TYPE_CHECKING:
    import duckdb

SCHEMAS = {"events": schemas.EVENT, "sessions": schemas.SESSION, "users": schemas.USER}


def _same(stored: Any, value: Any) -> bool:
    """Tell whether a stored value is what target-duckdb makes of a record's value.

    It stores nothing for what is empty, and times without their zone.
    """
    if isinstance(stored, datetime):
        stored = stored.isoformat(timespec="milliseconds") + "Z"
    return bool(stored == (None if value == "" else value))


def differences(
    connection: duckdb.DuckDBPyConnection, stream: str, records: list[dict[str, Any]]
) -> list[str]:
    """Compare a table with the records that should be in it.

    Args:
        connection: The warehouse.
        stream: Name of the stream, and of the table.
        records: What should be there, once each.

    Returns:
        A line for each difference; the first twenty of them.
    """
    found = connection.execute(f"select * from croct.{stream}")
    types = {column[0]: str(column[1]) for column in found.description or ()}
    rows = [dict(zip(types, row, strict=True)) for row in found.fetchall()]
    lines = []
    if len(rows) != len(records):
        lines.append(f"{len(rows):,} rows, {len(records):,} in the source")
    names = {name.lower(): name for name in SCHEMAS[stream]["properties"]}
    if types.keys() - names.keys():
        lines.append(f"columns that no record has: {sorted(types.keys() - names.keys())}")
    wanted = {record[KEYS[stream]]: record for record in records}
    for row in rows:
        record = wanted.get(row[KEYS[stream].lower()])
        if record is None:
            lines.append(f"{row[KEYS[stream].lower()]} is not in the source")
            continue
        for column, value in row.items():
            stored = json.loads(value) if types[column] == "JSON" and value is not None else value
            if not _same(stored, record.get(names[column])):
                lines.append(
                    f"{stream} {record[KEYS[stream]]} {column}: {stored!r}, "
                    f"{record.get(names[column])!r} in the source"
                )
    return lines[:20]
