"""What the tap's records should be, written without the tap."""

import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

from dev.sandbox import World
from dev.sandbox.world import METADATA

STREAMS = ("events", "sessions", "users")
KEYS = {"events": "id", "sessions": "sessionId", "users": "userId"}
ORDERS = {"events": "timestamp", "sessions": "closeTime", "users": "lastModifiedTime"}

Record = dict[str, Any]


def moment(ms: int) -> str:
    """Format a time as the records have it."""
    time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def expected(stream: str, item: Record) -> Record:
    """Return the record that an item of the API should become."""
    record: Record = pickle.loads(pickle.dumps(item))  # noqa: S301 - faster than deepcopy
    if stream == "events":
        record["timestamp"] = moment(item["timestamp"])
        record["eventType"] = item["payload"]["@type"]
        record["metadata"] = dict(METADATA)
    elif stream == "sessions":
        record["closeTime"] = moment(item["closeTime"])
        record["window"] = {name: moment(ms) for name, ms in item["window"].items()}
    else:
        record["lastModifiedTime"] = moment(item["lastModifiedTime"])
        if item["birthDate"] is not None:
            record["birthDate"] = moment(item["birthDate"])
        for name in ("activities", "interests"):
            if isinstance(item[name], str):
                record[name] = [item[name]]
    return record


def expected_records(world: World, stream: str) -> list[Record]:
    """Return all records that an export from the beginning on should give, in order."""
    return [expected(stream, item) for item in world.items(stream)]


def by_key(stream: str, records: list[Record]) -> dict[str, Record]:
    """Return the last record of each key, as a warehouse that upserts keeps it."""
    return {record[KEYS[stream]]: record for record in records}


def flatten(value: dict[str, Any], columns: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return what a record's columns hold; what has no columns of its own is one, as JSON."""
    flat: dict[str, Any] = {}
    for name, child in value.items():
        column = prefix + name
        if isinstance(child, dict) and column not in columns:
            flat |= flatten(child, columns, f"{column}__")
        elif isinstance(child, (dict, list)):
            flat[column] = json.dumps(child, separators=(",", ":"))
        elif column in columns:
            flat[column] = child
    return flat
