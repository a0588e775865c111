"""The data dictionary says what the schemas say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from dev import dictionary
from tap_croct import schemas
from tap_croct.streams import Events, Sessions, Users

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = dictionary.PAGE.read_text(encoding="utf-8")
SCHEMAS = {"events": schemas.EVENT, "sessions": schemas.SESSION, "users": schemas.USER}
TYPES = {"string", "integer", "number", "boolean", "object", "timestamp", "map"}


def rows(stream: str) -> dict[str, list[str]]:
    """Return the cells of each row of a stream's section, by column."""
    (section,) = re.findall(rf"^## {stream}$(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    cells = [
        line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")
    ]
    return {first.strip(" `"): [cell.strip() for cell in rest] for first, *rest in cells}


def paths(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, prop in schema.get("properties", {}).items():
        here = f"{path}{name}"
        yield here, prop
        yield from paths(prop, f"{here}.")
        yield from paths(prop.get("items", {}), f"{here}[].")


def test_the_page_is_up_to_date() -> None:
    assert dictionary.page() == PAGE, "docs/streams.md is out of date: run `make dictionary`"


@pytest.mark.parametrize("stream", [Events, Sessions, Users])
def test_the_keys_of_each_stream(stream: type[Events | Sessions | Users]) -> None:
    name, (primary,) = stream.name, stream.primary_keys
    row = f"| [`{name}`](#{name}) | `{stream.path}` | `{primary}` | `{stream.replication_key}` |"
    assert row in PAGE
    (entity,) = re.findall(rf"^    {name} {{$(.*?)^    }}$", PAGE, re.DOTALL | re.MULTILINE)
    assert f"string {primary} PK" in entity
    assert f'timestamp {stream.replication_key} "replication key"' in entity


@pytest.mark.parametrize("stream", SCHEMAS)
def test_every_column_is_there(stream: str) -> None:
    found = rows(stream)
    for path, prop in paths(SCHEMAS[stream]):
        kind, description = found[path][:2]
        assert description == prop["description"], path
        assert re.sub(r"^(list|map) of (\w+)s$", r"\2", kind) in TYPES, path
    assert len(found) == len(dict(paths(SCHEMAS[stream]))) + len(schemas.PAYLOADS) * (
        stream == "events"
    )


def test_every_event_type_is_there() -> None:
    assert list(schemas.EVENT_DESCRIPTIONS) == list(schemas.PAYLOADS)
    found = rows("events")
    for kind, properties in schemas.PAYLOADS.items():
        when, names = found[kind]
        assert when == schemas.EVENT_DESCRIPTIONS[kind]
        assert re.findall(r"`(.+?)`", names) == [prop.name for prop in properties]
        for prop in properties:
            assert f"`{kind}`" in found[f"payload.{prop.name}"][2]


def test_types_as_a_person_names_them() -> None:
    types = {path: cells[0] for stream in SCHEMAS for path, cells in rows(stream).items()}
    assert types["timestamp"] == types["window.start"] == types["birthDate"] == "timestamp"
    assert types["payload.cart.items"] == "list of objects"
    assert types["payload.cart.items[].quantity"] == "integer"
    assert types["payload.order.taxes"] == "map of numbers"
    assert types["customAttributes"] == "map"
    assert types["interests"] == "list of strings"
    assert types["payload.cart.total"] == "number"
