"""The data dictionary: the tables of `docs/streams.md`, generated from the schemas.

`make dictionary` (or `python -m dev.dictionary`) writes them; a test fails when they are out of date.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from dev.environments import ROOT
from dev.markdown import table
from dev.warehouse import SCHEMAS
from tap_croct import schemas

PAGE = ROOT / "docs" / "streams.md"
MARKER = "<!-- From here on: generated from tap_croct/schemas.py by `make dictionary`. -->\n"
HEAD = ("column", "type", "description")
TYPES_HEAD = ("event type", "when it happens", "properties of `payload`")

_EVENT_TYPES = """\
### Event types

The {count} values of `eventType` and `payload.@type`, and of the setting `event_types`.
Some are tracked by Croct itself, others if your site sends them.

{table}"""

_PAYLOAD = """\
### Columns of `payload`

Which of them an event has depends on its type; all others are missing.

{table}"""


def page() -> str:
    """Return the whole page, as Markdown: what was written by hand, and the tables.

    Raises:
        ValueError: If the page does not say where the tables begin.
    """
    text = PAGE.read_text(encoding="utf-8")
    whole = _rows(schemas.EVENT)
    events = [row for row in whole if "payload." not in row[0] or row[0] == "`payload.@type`"]
    payload = [(*row, _types_with(row[0])) for row in whole if row not in events]
    types = [
        (f"`{kind}`", schemas.EVENT_DESCRIPTIONS[kind], _listed(p.name for p in properties))
        for kind, properties in schemas.PAYLOADS.items()
    ]
    parts = [
        text[: text.index(MARKER)] + MARKER,
        "## events\n\n" + table(HEAD, events),
        _EVENT_TYPES.format(count=len(types), table=table(TYPES_HEAD, types)),
        _PAYLOAD.format(table=table((*HEAD, "event types"), payload)),
    ]
    for name, schema in SCHEMAS.items():
        if name != "events":
            parts.append(f"## {name}\n\n" + table(HEAD, _rows(schema)))
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


def _rows(schema: dict[str, Any]) -> list[tuple[str, ...]]:
    found = columns(schema)
    return [(f"`{path}`", type_name(prop), prop["description"]) for path, prop in found]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _types_with(column: str) -> str:
    """Name the types of events that have a property of `payload` itself; none for deeper ones."""
    name = column.strip("`").removeprefix("payload.")
    found = schemas.PAYLOADS.items()
    return _listed(kind for kind, properties in found if name in {p.name for p in properties})


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
