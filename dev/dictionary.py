"""The data dictionary: `docs/streams.md`, generated from the schemas.

`make dictionary` (or `python -m dev.dictionary`) writes it; a test fails when it is out of date.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_croct import schemas
from tap_croct.streams import Events, Sessions, Users

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = Path(__file__).parent.parent / "docs" / "streams.md"
STREAMS = (Events, Sessions, Users)

_HEAD = """\
# Streams: the data dictionary

<!-- Generated from tap_croct/schemas.py by `make dictionary`. Do not edit by hand. -->

Every column of the three streams, with its type and what it means. `tap-croct --discover` prints the
same as JSON schemas.

| stream | endpoint | primary key | replication key | a record is exported again |
| --- | --- | --- | --- | --- |
{streams}

- **Names** are the API's own. Warehouses may fold the case: `sessionId` becomes `sessionid` in DuckDB.
- **Every column but the primary key can be null.** Records written under older versions of the contract
  lack some properties.
- **`timestamp`** columns are RFC 3339 strings in UTC with milliseconds, such as
  `2026-01-31T08:15:30.250Z`. Times *inside* `context` and `payload` stay as the API gives them: integers,
  milliseconds since the epoch.
- **A dot** separates an object from its property: `payload.cart.total`. `[]` stands for each item of a
  list. In a warehouse with JSON columns, everything below the first dot is inside the column before it.
  With `flattening_enabled`, a dot becomes `__` (`payload__cart__total`); maps and lists stay one column.
- **A map** has keys of your own, such as `customAttributes`.
"""

_JOINS = """\
## How the streams join

```mermaid
erDiagram
    users |o..o{{ sessions : "userId"
    users |o..o{{ events : "userId"
    sessions |o..o{{ events : "sessionId"
    sessions |o..o{{ sessions : "parentId"
{entities}
```

- Use outer joins: the three streams are exported one after the other, so an event can arrive a run before
  its session, and a session closes after its last event.
- `users` holds the users of the workspace, `events` and `sessions` those of one application: a user may
  have no session here.
- `parentId` names the session that superseded this one.
- `externalUserId` is the identifier in your own systems: join it with your customer table.
"""

_AGAIN = {
    "events": "no: an event does not change",
    "sessions": "when its `closeTime` moves, because events still arrived",
    "users": "whenever the user changes",
}


def page() -> str:
    """Return the whole page, as Markdown."""
    parts = [
        _HEAD.format(streams="\n".join(map(_stream_row, STREAMS))),
        _JOINS.format(entities="\n".join(map(_entity, STREAMS))),
        _events(),
        _event_types(),
        _payload_columns(),
        _table_of("sessions", schemas.SESSION),
        _table_of("users", schemas.USER),
    ]
    return "\n".join(parts)


def columns(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the schema of each property, at every depth.

    Args:
        schema: A JSON schema of an object.
        path: The object's own path, such as `payload.cart`; empty for a record.

    Yields:
        Paths such as `payload.cart.items[].quantity`, parents before their children.
    """
    for name, prop in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, prop
        yield from columns(prop, here)
        yield from columns(prop.get("items", {}), f"{here}[]")


def type_name(schema: dict[str, Any]) -> str:
    """Name a property's type for a person.

    Args:
        schema: The property's JSON schema.

    Returns:
        Such as `timestamp`, `list of objects` or `map of numbers`.
    """
    (kind,) = {"null", *schema["type"]} - {"null"}
    values = schema.get("additionalProperties")
    if kind == "array":
        return f"list of {type_name(schema['items'])}s"
    if kind == "object" and "properties" not in schema:
        return f"map of {type_name(values)}s" if isinstance(values, dict) else "map"
    return "timestamp" if schema.get("format") == "date-time" else kind


def _stream_row(stream: Any) -> str:
    (primary,) = stream.primary_keys
    return (
        f"| [`{stream.name}`](#{stream.name}) | `{stream.path}` | `{primary}` "
        f"| `{stream.replication_key}` | {_AGAIN[stream.name]} |"
    )


def _entity(stream: Any) -> str:
    keys = {"userId", "sessionId", "parentId", "externalUserId"}
    (primary,) = stream.primary_keys
    lines = []
    for name, prop in stream.schema["properties"].items():
        if name == primary:
            lines.append(f"        {type_name(prop)} {name} PK")
        elif name in keys - {"externalUserId"}:
            lines.append(f"        {type_name(prop)} {name} FK")
        elif name == stream.replication_key:
            lines.append(f'        {type_name(prop)} {name} "replication key"')
        elif name in {*keys, "eventType"}:
            lines.append(f"        {type_name(prop)} {name}")
    return "\n".join([f"    {stream.name} {{", *lines, "    }"])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rows(found: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, str, str]]:
    for path, prop in found:
        yield f"`{path}`", type_name(prop), prop["description"]


def _table_of(stream: str, schema: dict[str, Any]) -> str:
    head = ("column", "type", "description")
    return f"## {stream}\n\n{_table(head, _rows(columns(schema)))}"


def _events() -> str:
    found = (
        (path, prop)
        for path, prop in columns(schemas.EVENT)
        if not path.startswith("payload.") or path == "payload.@type"
    )
    table = _table(("column", "type", "description"), _rows(found))
    return f"## events\n\n{table}"


def _event_types() -> str:
    rows = []
    for kind, properties in schemas.PAYLOADS.items():
        names = ", ".join(f"`{prop.name}`" for prop in properties)
        rows.append((f"`{kind}`", schemas.EVENT_DESCRIPTIONS[kind], names))
    table = _table(("event type", "when it happens", "properties of `payload`"), rows)
    return (
        "### Event types\n\n"
        f"The {len(rows)} values of `eventType` and `payload.@type`, and of the setting "
        "`event_types`.\nSome are tracked by Croct itself, others if your site sends them.\n\n"
        f"{table}"
    )


def _payload_columns() -> str:
    used: dict[str, list[str]] = {}
    for kind, properties in schemas.PAYLOADS.items():
        for declared in properties:
            used.setdefault(declared.name, []).append(f"`{kind}`")
    payload = schemas.EVENT["properties"]["payload"]
    rows = []
    for path, prop in columns(payload, "payload"):
        kinds = used.get(path.removeprefix("payload."), [])
        if path != "payload.@type":
            rows.append((f"`{path}`", type_name(prop), prop["description"], ", ".join(kinds)))
    table = _table(("column", "type", "description", "event types"), rows)
    return (
        "### Columns of `payload`\n\n"
        "Which of them an event has depends on its type; all others are missing.\n\n"
        f"{table}"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
