"""Comparing a PostgreSQL warehouse with the source, every row and every value."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dev.expected import KEYS, ORDERS, expected_records, moment
from dev.warehouse import SCHEMAS

if TYPE_CHECKING:
    from dev.postgres import Postgres
    from dev.sandbox import World


def postgres_differences(
    database: Postgres, world: World, stream: str, *, before: int | None = None
) -> list[str]:
    """Compare a table with the source.

    Args:
        database: The warehouse.
        world: The source.
        stream: Name of the stream, and of the table.
        before: Compare with what has an earlier time; milliseconds since the epoch.

    Returns:
        A line for each difference; the first twenty of them.
    """
    key = KEYS[stream]
    rows = {row[key]: row for row in database.query(f"select * from croct.{stream}")}
    (count,) = database.query(f"select count(*) as rows from croct.{stream}")
    wanted = expected_records(world, stream)
    if before is not None:
        wanted = [record for record in wanted if record[ORDERS[stream]] < moment(before)]
    lines = []
    if count["rows"] != len(wanted):
        lines.append(f"{stream}: {count['rows']:,} rows, {len(wanted):,} in the source")
    for record in wanted:
        row = rows.get(record[key])
        if row is None:
            lines.append(f"{stream} {record[key]} is missing")
            continue
        for name, value in record.items():
            stored = _as_in_records(stream, name, row[name])
            if stored != value:
                lines.append(f"{stream} {record[key]} {name}: {stored!r}, {value!r} in the source")
    return lines[:20]


def _as_in_records(stream: str, name: str, stored: Any) -> Any:
    """Give a time, which is stored without its zone, the form that records have."""
    if stored is None or SCHEMAS[stream]["properties"].get(name, {}).get("format") != "date-time":
        return stored
    return datetime.fromisoformat(stored).isoformat(timespec="milliseconds") + "Z"
