"""Whatever a catalog says about selection either works or stops the run before the first request."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dev.expected import STREAMS, expected_records
from dev.sandbox import Sandbox
from tests.support.catalogs import entry_of, metadata_of, select, select_only
from tests.support.fixtures import Json, Refused, Tap

Change = Callable[[Json], object]

EMAIL = ["properties", "email"]
KEY = ["properties", "userId"]
CITY = ["properties", "address", "properties", "city"]
NO: object = False


def selects(breadcrumb: Any, value: object = NO, key: str = "selected") -> Change:
    return lambda users: metadata_of(users, breadcrumb).update({key: value})


def puts(**values: object) -> Change:
    """Put keys into the entry."""
    return lambda users: users.update({n.replace("_by_", "-by-"): v for n, v in values.items()})


def in_schema(*path: str, value: object = NO, key: str = "selected") -> Change:
    def change(users: Json) -> None:
        part = users["schema"]
        for name in path:
            part = part[name]
        part[key] = value

    return change


def beside_metadata(**values: object) -> Change:
    """Put keys into the item of `email`, beside its breadcrumb and its metadata."""

    def change(users: Json) -> None:
        next(item for item in users["metadata"] if item["breadcrumb"] == EMAIL).update(values)

    return change


def forget_keys(users: Json) -> None:
    for name in ("key_properties", "replication_key", "replication_method"):
        del users[name]
    for name in ("table-key-properties", "replication-key", "valid-replication-keys"):
        metadata_of(users, []).pop(name, None)


def all_of(*changes: Change) -> Change:
    return lambda users: [change(users) for change in changes]


def without_root(users: Json) -> None:
    users["metadata"] = [item for item in users["metadata"] if item["breadcrumb"]]


WITHOUT_METADATA = puts(metadata=[])
WORKS: list[tuple[str, Change]] = [
    # what is left out, and what the catalog says
    ("email", selects(EMAIL)),
    ("email", selects(EMAIL, "false")),
    ("email", selects(EMAIL, "False ")),
    ("email", selects(EMAIL, "false", "selected-by-default")),
    ("email", selects(EMAIL, "unsupported", "inclusion")),
    ("email", in_schema(*EMAIL)),
    ("email", in_schema(*EMAIL, value="false")),
    ("email", all_of(WITHOUT_METADATA, in_schema(*EMAIL))),
    ("email", in_schema(*EMAIL, value="unsupported", key="inclusion")),
    ("email", beside_metadata(selected=False, breadcrumb="properties.email")),
    ("email", all_of(selects(EMAIL), selects(EMAIL, "automatic", "inclusion"))),
    ("email", in_schema(*EMAIL, key="anyOf", value=[{"selected": False}, {"type": "null"}])),
    ("address.city", selects(CITY)),
    ("address.city", all_of(WITHOUT_METADATA, in_schema(*CITY))),
    ("customAttributes.plan", selects(["properties", "customAttributes", "properties", "plan"])),
    ("email", all_of(selects(EMAIL), in_schema(key="additionalProperties", value=True))),
    ("address", all_of(selects(CITY[:2]), selects(CITY, True))),
    ("stream", selects([], "false")),
    ("stream", all_of(WITHOUT_METADATA, puts(selected=False))),
    ("stream", all_of(without_root, puts(selected="false"))),
    ("stream", all_of(WITHOUT_METADATA, in_schema())),
    ("nothing", all_of(selects(KEY), selects(KEY, "available", "inclusion"))),
    ("nothing", selects(["properties", "lastModifiedTime"], "false")),
    ("nothing", lambda users: users["schema"]["properties"].pop("userId")),
    ("nothing", lambda users: users["schema"]["properties"].pop("lastModifiedTime")),
    ("nothing", forget_keys),
    ("nothing", all_of(puts(replication_key="email"), selects([], "email", "replication-key"))),
    ("nothing", lambda users: users.pop("metadata")),
    ("nothing", puts(selected=True)),
    ("nothing", selects(EMAIL, "true")),
    ("nothing", in_schema("properties", "statistics", key="exclusiveMinimum", value=0)),
    ("nothing", selects(EMAIL, None)),
    ("nothing", selects(["properties", "address", "properties", "addedLater"])),
]


def without(record: Json, path: str) -> Json:
    *parents, name = path.split(".")
    part: Any = record
    for parent in parents:
        part = part[parent]
    for one in part if isinstance(part, list) else [part]:
        one.pop(name, None)
    return record


@pytest.mark.parametrize(("path", "change"), WORKS)
def test_what_is_deselected_is_left_out(
    sandbox: Sandbox, tap: Tap, catalog: Json, path: str, change: Change
) -> None:
    del catalog["streams"][0]  # events, which take long
    sandbox.world.items("users")[0]["customAttributes"] = [{"plan": 1, "other": 2}]
    change(entry_of(catalog, "users"))
    output = tap(sandbox.config(), catalog=catalog)
    wanted = [without(record, path) for record in expected_records(sandbox.world, "users")]
    assert output.records("users") == ([] if path == "stream" else wanted)
    assert bool(sandbox.pages("users")) is (path != "stream")
    if path != "stream":
        schema = output.of("SCHEMA")[-1]
        assert schema["key_properties"] == ["userId"]
        assert schema["bookmark_properties"] == ["lastModifiedTime"]
        assert {"userId", "lastModifiedTime"} <= schema["schema"]["properties"].keys()
        assert output.state["bookmarks"]["users"]["replication_key"] == "lastModifiedTime"


BOOLEAN = "must be true or false"
NO_KEY = "`email` is one of the keys, and not a property that is selected"
AS_A_KEY = puts(key_properties=["userId", "email"])
WORDS = ["excluded", "isExcluded", "selected_at", "skip", "ignore", "hidden", "omit", "enabled"]
WORDS += ["replicated", "remove", "active", "dropped", "enable", "hide", "no-sync", "do-not-sync"]
WORDS += ["mask", "redacted", "blocked", "exclusions", "excluding", "blacklist"]
ODD: list[object] = [5, None, {"properties": 1, "email": 2}, ["properties"], ["users", "email"]]
MISTAKES: list[tuple[Change, str]] = [
    (selects(EMAIL, "no"), f'["properties", "email"]: `selected` {BOOLEAN}'),
    (selects(EMAIL, 0), f"`selected` {BOOLEAN}"),
    (selects([], "never", "selected-by-default"), f"`selected-by-default` {BOOLEAN}"),
    (selects("properties.email"), '["properties", "email"]: stands in the metadata twice'),
    (selects("email"), 'must be written ["properties", "email"]'),
    *((selects(odd), 'must be written like ["properties", "email"]') for odd in ODD),
    (all_of(AS_A_KEY, selects(EMAIL)), NO_KEY),
    (all_of(AS_A_KEY, in_schema(*EMAIL)), NO_KEY),
    (puts(key_properties=["nope"]), "`nope` is one of the keys, and not a property"),
    (puts(stream="people"), '{"users": {"__alias__": "people"}}'),
    *((selects(EMAIL, True, word), 'mean "selected" in the metadata') for word in WORDS),
    (puts(replication_method="full-table"), "must be INCREMENTAL or FULL_TABLE"),
    (selects([], "LOG_BASED", "replication-method"), "must be INCREMENTAL or FULL_TABLE"),
    (selects([], "FULL_TABLE", "replication-methd"), 'must be called "replication_method"'),
    (puts(selectedFields=["userId"]), "selectedFields in its entry is not a key"),
    (puts(properties={"email": {"selected": False}}), "`selected` below properties in its entry"),
    (puts(annotations=[{"selected": False}]), "below annotations in its entry has no effect"),
    (selects(EMAIL, {"selected": False}, "metadata"), "`selected` below metadata in its metadata"),
    (in_schema(*EMAIL, key="metadata", value={"selected": "false"}), "metadata in its schema"),
    (selects(["properties", "address", "city"]), f"must be written {json.dumps(CITY)}"),
    (selects(["properties", "first*"]), "there are no wildcards"),
    (selects(["properties", "customAttributes", "properties", "*"]), "there are no wildcards"),
    (selects([*CITY[:3], "citi"]), 'there is no property citi; did you mean "city"'),
    (selects(["Properties", "email"]), 'must be written ["properties", "email"]'),
    (selects(["properties", "e-mail"]), 'did you mean "email"'),
    (selects(["properties", "vip"]), "additionalProperties.vip"),
    (selects([*CITY[:-1], "citty", "properties", "a"]), 'property citty; did you mean "city"'),
    (selects([], key="email"), '["properties", "email"]: write `selected` into its own metadata'),
    (puts(email=False), "and not its name in its entry"),
    (in_schema("properties", key="email", value=False), 'see the stream "users"'),
    (selects(["properties", "address__city"]), f"must be written {json.dumps(CITY)}"),
    (selects(["properties", "address.city"]), f"must be written {json.dumps(CITY)}"),
    (selects("properties.address.city"), f"must be written {json.dumps(CITY)}"),
    (selects(["properties", "address.town"]), "there is no property address.town"),
    (selects(["properties", "interests", "items"]), 'nothing below ["properties", "interests"]'),
    (selects([*EMAIL, "properties", "host"]), 'nothing below ["properties", "email"]'),
    (selects(EMAIL, key="Selected"), "Selected in its metadata"),
    (selects(EMAIL, key="is_selected"), 'did you mean "selected"'),
    (selects(EMAIL, True, "deselected"), 'did you mean "selected"'),
    (selects(EMAIL, "Unsupported", "inclusion"), "`inclusion` must be one of available"),
    (puts(Metadata=[]), 'Metadata in its entry must be called "metadata"'),
    (all_of(without_root, selects(EMAIL)), "breadcrumb []: say whether the stream is selected"),
    (puts(Selected=False), "Selected in its entry is not a key"),
    (puts(selected_by_default=False), "in the metadata"),
    (in_schema(*EMAIL, key="Selected"), "Selected in its schema"),
    (in_schema(key="is_selected"), "breadcrumb []: is_selected in its schema is not a key"),
    (in_schema(*EMAIL, key="selected-by-default"), "is not a key there; did you mean"),
    (in_schema("properties", "interests", "items"), "lists are exported whole, or not"),
    (beside_metadata(Selected=False), "beside `metadata`"),
    (all_of(selects(EMAIL, True), beside_metadata(selected=False)), "metadata, false in its item"),
    (all_of(selects(EMAIL, True), in_schema(*EMAIL)), "in the metadata, false in its schema"),
    (puts(selected=False), "`selected` is true in the metadata, false in its entry"),
]


@pytest.mark.parametrize(("change", "says"), MISTAKES)
def test_what_has_no_effect_is_a_mistake(
    refused: Refused, catalog: Json, change: Change, says: str
) -> None:
    del catalog["streams"][0]  # events, which take long
    change(entry_of(catalog, "users"))
    line = refused(catalog=catalog)
    assert "users" in line
    assert says in line


BESIDE = [
    ("selected_streams", ["events"]),
    ("metadata", [{"breadcrumb": EMAIL, "metadata": {"selected": False}}]),
    ("users", {"email": {"selected": False}}),
]


@pytest.mark.parametrize(("key", "value"), BESIDE)
def test_beside_the_streams(refused: Refused, catalog: Json, key: str, value: object) -> None:
    catalog[key] = value
    assert f"{key} beside `streams` has no effect" in refused(catalog=catalog)


def test_a_stream_that_stands_there_twice(refused: Refused, catalog: Json) -> None:
    catalog["streams"].append({**entry_of(catalog, "users"), "metadata": []})
    assert 'the stream "users" stands in it 2 times' in refused(catalog=catalog)


# --test


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_tested(sandbox: Sandbox, tap: Tap, catalog: Json, order: int) -> None:
    select(catalog, "users", selected=False)
    tap(sandbox.config(), catalog=catalog)
    sandbox.requests.clear()
    options = ["--test", "--catalog=catalog.json", "--config=config.json"][::order]
    output = tap(None, *options)
    assert output.last_line.endswith("Connection OK: events, sessions")
    assert not sandbox.pages("users")


# Streams that their maps drop


DROPPED = [
    ({"users": "__NULL__"}, {"events", "sessions"}, {"events", "sessions"}),
    ({"users": None}, {"events", "sessions"}, {"events", "sessions"}),
    ({"users": {}, "__else__": "__NULL__"}, {"users"}, {"users"}),
    (
        {"users": "__NULL__", "people": {"__source__": "users"}, "__else__": None},
        {"users"},
        {"people"},
    ),
]


@pytest.mark.parametrize(("maps", "fetched", "made"), DROPPED)
def test_a_stream_that_all_of_its_maps_drop(
    sandbox: Sandbox, tap: Tap, maps: Json, fetched: set[str], made: set[str]
) -> None:
    state = tap(sandbox.config()).state
    sandbox.world.visits(5)
    sandbox.requests.clear()
    output = tap(sandbox.config(stream_maps=maps), state=state)
    assert {request.stream for request in sandbox.requests} == fetched
    assert {message["stream"] for message in output.of("SCHEMA")} == made
    for stream in {*STREAMS} - fetched:
        assert output.state["bookmarks"][stream] == state["bookmarks"][stream]
        assert f"{stream}: all of its stream maps drop it" in output.stderr
    tested = tap(sandbox.config(stream_maps=maps), "--test")
    assert tested.last_line.endswith(f"Connection OK: {', '.join(sorted(fetched))}")


@pytest.mark.parametrize("nothing", ["deselected", "no streams", "deselected or dropped"])
def test_nothing_is_left(refused: Refused, catalog: Json, nothing: str) -> None:
    select_only(catalog, *(["users"] if nothing == "deselected or dropped" else []))
    if nothing == "no streams":
        catalog["streams"] = []
    maps = {"users": "__NULL__"} if nothing == "deselected or dropped" else {}
    line = refused({"stream_maps": maps}, catalog=catalog)
    assert "The catalog and `stream_maps` leave no stream selected" in line
