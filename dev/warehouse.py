"""Comparing a warehouse with the source, every row and every value."""

import json
from datetime import datetime
from typing import Any

import duckdb

from dev.expected import KEYS, Record
from dev.postgres import Postgres
from tap_croct.tap import STREAMS

SCHEMAS: dict[str, Any] = {name: stream.schema for name, stream in STREAMS.items()}


def differences(
    connection: duckdb.DuckDBPyConnection, stream: str, records: list[Record]
) -> list[str]:
    """Compare a table that target-duckdb made with the records that should be in it.

    The target stores nothing for what is empty, and folds the names of columns.

    Args:
        connection: The warehouse.
        stream: Name of the stream, and of the table.
        records: What should be there, once each.

    Returns:
        A line for each difference; the first twenty of them.
    """
    found = connection.execute(f"select to_json(found) from croct.{stream} as found").fetchall()
    names = {name.lower(): name for name in SCHEMAS[stream]["properties"]}
    rows = [
        {names.get(name, name): value for name, value in json.loads(row).items()}
        for (row,) in found
    ]
    wanted = [{k: None if v == "" else v for k, v in record.items()} for record in records]
    return row_differences(stream, rows, wanted)


def postgres_differences(database: Postgres, stream: str, records: list[Record]) -> list[str]:
    """Compare a table that target-postgres made with the records that should be in it."""
    return row_differences(stream, database.query(f"select * from croct.{stream}"), records)


def row_differences(stream: str, rows: list[Record], wanted: list[Record]) -> list[str]:
    """Compare rows, whose times are texts without a zone and whose JSON is read, with records.

    Args:
        stream: Name of the stream.
        rows: What is there.
        wanted: What should be there, once each.

    Returns:
        A line for each difference; the first twenty of them.
    """
    key = KEYS[stream]
    by_key = {row[key]: row for row in rows}
    properties = SCHEMAS[stream]["properties"]
    lines = []
    if len(rows) != len(wanted):
        lines.append(f"{stream}: {len(rows):,} rows, {len(wanted):,} in the source")
    columns = {name for row in rows[:1] for name in row if not name.startswith("_sdc_")}
    if more := columns - properties.keys():
        lines.append(f"{stream}: columns that no record has: {sorted(more)}")
    for record in wanted:
        if (row := by_key.get(record[key])) is None:
            lines.append(f"{stream} {record[key]} is missing")
            continue
        for name, schema in properties.items():
            stored, value = row.get(name), record.get(name)
            if schema.get("format") == "date-time" and stored is not None:
                stored = datetime.fromisoformat(stored).isoformat(timespec="milliseconds") + "Z"
            if stored != value:
                lines.append(f"{stream} {record[key]} {name}: {stored!r}, {value!r} in the source")
    return lines[:20]
