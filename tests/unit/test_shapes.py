"""Items of the usual shape are decoded to structs, and whatever else comes, comes out the same."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import KEYS, STREAMS, expected
from dev.sandbox import World
from dev.sandbox.world import METADATA
from tap_croct.decoding import Page, decode_page, encode
from tap_croct.export import ExportedPage
from tap_croct.tap import TapCroct
from tests.support.oracle import CONFIG, catalog

if TYPE_CHECKING:
    from tap_croct.sync import CroctStream

Json = dict[str, Any]

UNUSUAL: dict[str, dict[str, Any]] = {
    "events": {
        "id": None, "timestamp": "yesterday", "sessionId": 7, "userId": {}, "new": 1, "": [],
    },
    "sessions": {
        "sessionId": "", "closeTime": 10**15, "window": {"start": 0, "end": 1, "idle": 2},
        "referrer": False, "a b": None, "__init__": "x",
    },
    "users": {
        "userId": 7, "birthDate": "1815-12-10", "lastModifiedTime": 1.5, "email": ["a@b.c"],
        "activities": {"climbing": 3}, "class": 1,
    },
}  # fmt: skip


def stream(name: str, **kwargs: Any) -> CroctStream:
    found: CroctStream = TapCroct(config=CONFIG, **kwargs).streams[name]  # type: ignore[assignment]
    return found


def ordinary(name: str, count: int = 12) -> list[Json]:
    return copy.deepcopy(World(seed=3, visits=20).items(name)[:count])


def page_of(source: CroctStream, items: list[Json]) -> Page:
    body: Json = {"items": items, "nextCursor": "next"}
    if source.name == "events":
        body["metadata"] = METADATA
    return decode_page(json.dumps(body).encode(), source.shape)


def records(source: CroctStream, items: list[Json]) -> list[Json]:
    page = page_of(source, items)
    moments = page.times(source.own_keys()[1])
    exported = ExportedPage(
        number=1, items=page.items, usual=page.usual, moments=moments, metadata=page.metadata
    )
    ((_, found),) = source._plan().records(exported)  # noqa: SLF001 - what a page becomes
    return [json.loads(encode(record)) for record in found]


@pytest.mark.parametrize("name", STREAMS)
def test_what_the_api_usually_sends_is_usual(name: str) -> None:
    """Else everything would still be right, and take twice as long."""
    source = stream(name)
    items = World(seed=3, visits=200).items(name)
    assert page_of(source, items).usual
    assert records(source, items) == [expected(name, item) for item in items]


@pytest.mark.parametrize("name", STREAMS)
def test_null_and_missing_are_usual(name: str) -> None:
    source = stream(name)
    for item in ordinary(name):
        null = {key: item[key] if key == KEYS[name] else None for key in item}
        assert page_of(source, [null, {KEYS[name]: "a"}, item]).usual


@pytest.mark.parametrize(
    ("name", "wrong", "value"), [(n, key, v) for n in UNUSUAL for key, v in UNUSUAL[n].items()]
)
def test_an_unusual_item_leaves_its_neighbours_alone(name: str, wrong: str, value: object) -> None:
    source = stream(name)
    items = ordinary(name)
    usual = records(source, items)
    items[5][wrong] = value
    assert not page_of(source, items).usual
    found = records(source, items)
    assert found[:5] + found[6:] == usual[:5] + usual[6:]
    assert found[5] != usual[5]
    # Nothing is lost of the item itself, either.
    assert found[5].keys() >= usual[5].keys()
    if wrong not in source.schema["properties"]:
        assert found[5].pop("additionalProperties") == {wrong: value}
        assert found[5] == usual[5]


@pytest.mark.parametrize("name", STREAMS)
def test_a_catalog_with_names_that_are_none_in_python(name: str) -> None:
    names = ["a b", "class", "__init__", "__x", "more_9", "self", "ünï", "1", "items"]
    changed = catalog()
    for entry in changed["streams"]:
        entry["schema"]["properties"] |= {key: {"type": ["integer", "null"]} for key in names}
    source = stream(name, catalog=changed)
    items = ordinary(name)
    usual = records(source, items)
    items = [item | {key: number for number, key in enumerate(names)} for item in items]
    assert page_of(source, items).usual
    added = {key: number for number, key in enumerate(names)}
    assert records(source, items) == [record | added for record in usual]


def test_what_moves_has_an_order() -> None:
    """Text columns are compared as text from run to run."""
    source = stream("users")
    names = [f"new{number}" for number in range(50)]
    items = ordinary("users", 2)
    items[0] |= dict.fromkeys(names)
    items[1] |= dict.fromkeys(reversed(names))
    for record in records(source, items):
        assert [*record["additionalProperties"]] == sorted(names)
