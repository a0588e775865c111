"""The data dictionary says what the schemas say."""

from __future__ import annotations

import re

import pytest

from dev import dictionary
from tap_croct import schemas
from tap_croct.streams import Events, Sessions, Users

PAGE = dictionary.PAGE.read_text(encoding="utf-8")


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


@pytest.mark.parametrize(
    ("column", "kind", "types"),
    [
        ("timestamp", "timestamp", None),
        ("customAttributes", "map", None),
        ("interests", "list of strings", None),
        ("window.start", "timestamp", None),
        ("payload.cart", "object", "cartViewed"),
        ("payload.cart.items", "list of objects", ""),
        ("payload.cart.items[].quantity", "integer", ""),
        ("payload.order.taxes", "map of numbers", ""),
        ("payload.order", "object", "orderPlaced"),
    ],
)
def test_a_column_has_its_type_its_meaning_and_its_events(
    column: str, kind: str, types: str | None
) -> None:
    (row,) = re.findall(rf"^\| `{re.escape(column)}` (\|.+\|)$", PAGE, re.MULTILINE)
    assert row.startswith(f"| {kind} | ")
    if types is not None:
        assert (f"`{types}`" if types else "|  |") in row


def test_every_event_type_is_there() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE, re.MULTILINE))
    assert schemas.EVENT_DESCRIPTIONS.items() <= rows.items()
    assert schemas.EVENT_DESCRIPTIONS.keys() == schemas.PAYLOADS.keys()
