"""What the tap documents about its records, written without the tap.

This is the one place that knows where the tap means to differ from the SDK's own way:

- Each item of the API is converted (`record_of`): times (a number that is none becomes null), the
  event's type, the response's metadata, lists that were strings, the key of an item that has none,
  and undeclared properties at the top, which move into the column `additionalProperties`.
- Flattened (`settled`), objects that are null have no column and are left out; everything else
  that has no column moves into `additionalProperties`, too, under the name that its column would
  have.
- A stream map with an expression that names what the catalog deselects is refused before the first
  request (`refused`). The SDK fails at the first record for which it evaluates that name, if any.
"""

from __future__ import annotations

import json
import uuid
from decimal import Decimal, InvalidOperation
from typing import Any

from singer_sdk.exceptions import ConfigValidationError

from dev.expected import KEYS, moment
from tap_croct.schemas import EVENT, SESSION, USER

Json = dict[str, Any]

ADDITIONAL = "additionalProperties"
SCHEMAS = {"events": EVENT, "sessions": SESSION, "users": USER}

TIMES: dict[str, list[tuple[str, ...]]] = {
    "events": [("timestamp",)],
    "sessions": [("closeTime",), ("window", "start"), ("window", "end")],
    "users": [("lastModifiedTime",), ("birthDate",)],
}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "croct.com")


def record_of(stream: str, item: Json, metadata: object, schema: Json) -> Json:
    """Return the record of an item, before selection, stream maps and flattening.

    Args:
        stream: Name of the stream.
        item: The item as the API gave it; it is changed.
        metadata: What the response says about itself.
        schema: The stream's schema.
    """
    key = KEYS[stream]
    if item.get(key) in (None, ""):
        item.pop(key, None)
        item[key] = str(uuid.uuid5(_NAMESPACE, canonical(item)))
    for path in TIMES[stream]:
        _convert_time(item, path)
    if stream == "events":
        payload = item.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        added = {"eventType": payload.get("@type", payload.get("type")), "metadata": metadata}
        item |= {name: value for name, value in added.items() if item.get(name) is None}
    elif stream == "users":
        for name in ("activities", "interests"):
            if isinstance(item.get(name), str):
                item[name] = [item[name]]
    own = SCHEMAS[stream]["properties"]
    undeclared = [name for name in item if name not in {**own, **schema["properties"]}]
    if undeclared:
        item[ADDITIONAL] = _beside(
            item.get(ADDITIONAL), {name: item.pop(name) for name in undeclared}
        )
    return item


def declared(record: Json, columns: Json) -> Json:
    """Return a record that is not flattened as the tap has it.

    What the tap's own schema has and a catalog leaves out is selected and mapped like all else,
    and then moves into `additionalProperties`, too.

    Args:
        record: A record.
        columns: The properties of its schema.
    """
    others = {name: value for name, value in record.items() if name not in columns}
    kept = {name: value for name, value in record.items() if name in columns}
    if others and ADDITIONAL in columns:
        kept[ADDITIONAL] = _beside(kept.get(ADDITIONAL), others)
    return kept


def _beside(before: object, others: Json) -> Json:
    """Return what was in `additionalProperties` before, and what moves there; nothing is lost."""
    if before is None:
        return others
    if isinstance(before, dict) and before.keys().isdisjoint(others):
        return {**before, **others}
    return {ADDITIONAL: before, **others}


def settled(record: Json, columns: Json) -> Json:
    """Return a flattened record as the tap has it.

    Args:
        record: A flattened record.
        columns: The properties of its flattened schema.
    """
    kept = {name: value for name, value in record.items() if name in columns}
    others = {
        name: value for name, value in record.items() if name not in columns and value is not None
    }
    if others and ADDITIONAL in columns:
        kept[ADDITIONAL] = canonical(_beside(_decoded(kept.get(ADDITIONAL)), others))
    return kept


def _decoded(value: object) -> object:
    """Return the value of a column as it was before flattening; a stream map can make any text."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, parse_float=Decimal)
    except ValueError:
        return value
    return found if isinstance(found, (dict, list)) else value


def refused(error: Exception | None) -> bool:
    """Return whether a run was refused for an expression that names what is deselected."""
    return isinstance(error, ConfigValidationError) and all(
        "is deselected in the catalog" in line or "`self` is the value of a property" in line
        for line in error.errors
    )


def canonical(value: Any) -> str:
    """Encode JSON with sorted properties, without spaces, numbers as they are."""
    if isinstance(value, dict):
        inner = (f"{canonical(name)}:{canonical(value[name])}" for name in sorted(value))
        return f"{{{','.join(inner)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _convert_time(item: Json, path: tuple[str, ...]) -> None:
    *parents, name = path
    holder: Any = item
    for parent in parents:
        holder = holder.get(parent) if isinstance(holder, dict) else None
    value = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
        return
    try:
        holder[name] = moment(int(value)) if value == value // 1 else None
    except (OverflowError, InvalidOperation):
        holder[name] = None
