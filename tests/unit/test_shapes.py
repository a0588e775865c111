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
from tap_croct.errors import UnreadableError
from tap_croct.export import ExportedPage
from tap_croct.tap import TapCroct
from tests.support.oracle import CONFIG, catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_croct.records import RecordPlan
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


def further_down(calls: int, function: Callable[[], Any]) -> Any:
    return further_down(calls - 1, function) if calls else function()


def stream(name: str, found: Json | None = None, **config: Any) -> CroctStream:
    """Return a stream of a tap, with a catalog if one was found."""
    tap = TapCroct(config={**CONFIG, **config}, catalog=found)
    return tap.streams[name]  # type: ignore[return-value]


def ordinary(name: str, count: int = 12) -> list[Json]:
    return copy.deepcopy(World(seed=3, visits=20).items(name)[:count])


def page_of(source: CroctStream, items: list[Json]) -> Page:
    body: Json = {"items": items, "nextCursor": "next"}
    if source.name == "events":
        body["metadata"] = METADATA
    return decode_page(json.dumps(body).encode(), source.shape)


def exported(source: CroctStream, page: Page) -> ExportedPage:
    return ExportedPage(
        number=1,
        items=page.items,
        usual=page.usual,
        moments=page.times(source.own_keys()[1]),
        metadata=page.metadata,
    )


def written(source: CroctStream, page: Page, plan: RecordPlan | None = None) -> list[Json]:
    """Return the records made from a page."""
    plan = plan or source._plan()  # noqa: SLF001 - the only way to a plan
    ((_, found),) = plan.records(exported(source, page))
    return [json.loads(encode(record)) for record in found]


def records(source: CroctStream, items: list[Json]) -> list[Json]:
    return written(source, page_of(source, items))


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


PLAIN = ["a b", "class", "__init__", "__x", "more_1", "self", "ünï", "1", "items"]
QUOTED = ['a"b', "a\\b", "a\tb", "a\nb", "a\0b", '"']


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("names", [PLAIN, QUOTED, PLAIN + QUOTED], ids=["plain", "quoted", "both"])
def test_a_catalog_with_odd_names(name: str, names: list[str]) -> None:
    changed = catalog()
    for entry in changed["streams"]:
        entry["schema"]["properties"] |= {key: {"type": ["integer", "null"]} for key in names}
    source = stream(name, changed)
    items = ordinary(name)
    usual = records(source, items)
    assert page_of(source, items).usual
    items = [item | {key: number for number, key in enumerate(names)} for item in items]
    assert page_of(source, items).usual == (names == PLAIN)
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


@pytest.mark.parametrize("name", ["a b", 'a"b'])
@pytest.mark.parametrize(
    ("path", "left"),
    [((), {"c": 1, "d": {"e": 2}}), (("d", "e"), {"c": 1, "d": {}}), (("c",), {"d": {"e": 2}})],
)
def test_odd_names_are_selected_like_others(name: str, path: tuple[str, ...], left: Json) -> None:
    changed = catalog()
    integer = {"type": ["integer", "null"]}
    below = {"type": ["object", "null"], "properties": {"e": integer}}
    nested = {"type": ["object", "null"], "properties": {"c": integer, "d": below}}
    for entry in changed["streams"]:
        entry["schema"]["properties"][name] = nested
        breadcrumb = ["properties", name]
        for step in path:
            breadcrumb += ["properties", step]
        if path:
            entry["metadata"].append({"breadcrumb": breadcrumb, "metadata": {"selected": False}})
    source = stream("users", changed)
    item = ordinary("users", 1)[0]
    (record,) = records(source, [item | {name: {"c": 1, "d": {"e": 2}}}])
    assert record == expected("users", item) | {name: left}


@pytest.mark.parametrize("key", ["a", 5])
@pytest.mark.parametrize("value", ["1e999999999999999999999", "[" + "1" * 5000 + "]"])
def test_a_moved_value_that_no_parser_takes_is_text_when_flattened(key: object, value: str) -> None:
    source = stream("users", flattening_enabled=True, flattening_max_depth=1)
    item = b'{"userId":%b,"zz":%b}' % (encode(key), value.encode())
    (record,) = written(source, decode_page(b'{"items":[%b]}' % item, source.shape))
    assert record["additionalProperties"] == f'{{"zz":{value}}}'


def test_the_record_that_fails_is_named_though_another_is_unusual() -> None:
    changed = catalog()
    for entry in changed["streams"]:
        breadcrumb = ["properties", "customAttributes"]
        entry["metadata"].append({"breadcrumb": breadcrumb, "metadata": {"selected": False}})
    source = stream("users", changed, stream_maps={"users": {"x": "address"}})
    number = b"1" * 5000
    good = b'{"userId":"good","customAttributes":{"n":%b},"zz":1}' % number
    bad = b'{"userId":"bad","address":{"city":%b}}' % number
    with pytest.raises(UnreadableError, match=r'items\[1\] \(userId "bad"\)'):
        written(source, decode_page(b'{"items":[%b,%b]}' % (good, bad), source.shape))


def test_what_is_not_written_is_not_reported() -> None:
    source = stream("users", stream_maps={"users": {"__filter__": "email"}})
    plan = source._plan()  # noqa: SLF001
    left, kept = ordinary("users", 2)
    page = page_of(
        source,
        [left | {"email": "", "zz": 1}, kept | {"email": "a", "additionalProperties": {"own": 2}}],
    )
    assert len(written(source, page, plan)) == 1
    assert plan.unknown == set()


def test_null_and_missing_are_told_apart_when_looking_for_what_is_unknown() -> None:
    source = stream("users")
    plan = source._plan()  # noqa: SLF001
    known = {"userId": "a", "address": {"street": "x"}, "statistics": None}
    page = page_of(source, [known, {"userId": "b", "address": {"zip2": "x"}}])
    written(source, page, plan)
    assert plan.unknown == {"users.address.zip2"}


def test_deep_values_pass_with_unusual_items_too() -> None:
    """They are decoded again further down, where Python up to 3.11 takes less nesting."""
    source = stream("users")
    plan = source._plan()  # noqa: SLF001
    for levels in range(600, 1000):
        value = b"[" * levels + b"]" * levels
        body = b'{"items":[{"userId":"a","zz":%b},{"userId":5}]}' % value
        try:
            page = exported(source, decode_page(body, source.shape))
        except RecursionError:
            return
        ((_, found),) = further_down(20, lambda page=page: [*plan.records(page)])  # type: ignore[misc]
        assert len(found) == 2
