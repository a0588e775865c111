"""Whatever a catalog says about selection either works or stops the run before the first request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import expected_records
from tap_croct.tap import TapCroct

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output
    from dev.sandbox import Sandbox
    from tests.support.fixtures import Start, Tap

    Change = Callable[[dict[str, Any]], object]

EMAIL = ["properties", "email"]
CITY = ["properties", "address", "properties", "city"]


def discovered() -> dict[str, Any]:
    catalog = TapCroct(config={"api_key": "00000000-0000-4000-8000-000000000000"}).catalog_json_text
    return json.loads(catalog)  # type: ignore[no-any-return]


def entry(catalog: dict[str, Any], stream: str = "users") -> dict[str, Any]:
    return next(e for e in catalog["streams"] if e["tap_stream_id"] == stream)


def item(users: dict[str, Any], breadcrumb: Any) -> dict[str, Any]:
    """Return the metadata of a breadcrumb, made where it is missing."""
    for known in users["metadata"]:
        if known["breadcrumb"] == breadcrumb:
            return known["metadata"]  # type: ignore[no-any-return]
    users["metadata"].append({"breadcrumb": breadcrumb, "metadata": {}})
    return users["metadata"][-1]["metadata"]  # type: ignore[no-any-return]


NO: object = False


def selects(breadcrumb: Any, value: object = NO, key: str = "selected") -> Change:
    return lambda users: item(users, breadcrumb).update({key: value})


def beside_metadata(users: dict[str, Any], breadcrumb: list[str]) -> dict[str, Any]:
    """Return the item of a breadcrumb, whose key `metadata` should say what is selected."""
    return next(item for item in users["metadata"] if item["breadcrumb"] == breadcrumb)


def in_schema(*path: str, value: object = NO, key: str = "selected") -> Change:
    def change(users: dict[str, Any]) -> None:
        part = users["schema"]
        for name in path:
            part = part[name]
        part[key] = value

    return change


def without_metadata(change: Change) -> Change:
    def both(users: dict[str, Any]) -> None:
        users["metadata"] = []
        change(users)

    return both


WORKS: list[tuple[str, Change]] = [
    ("email", selects(EMAIL)),
    ("email", selects(EMAIL, "false")),
    ("email", selects(EMAIL, "False ")),
    ("email", selects(EMAIL, False, "selected-by-default")),
    ("email", selects(EMAIL, "false", "selected-by-default")),
    ("email", selects(EMAIL, "unsupported", "inclusion")),
    ("email", in_schema(*EMAIL)),
    ("email", in_schema(*EMAIL, value="false")),
    ("email", without_metadata(in_schema(*EMAIL))),
    ("email", in_schema(*EMAIL, value="unsupported", key="inclusion")),
    ("email", lambda users: beside_metadata(users, EMAIL).update(selected=False)),
    ("email", lambda users: item(users, EMAIL).update(inclusion="automatic", selected=False)),
    (
        "email",
        lambda users: (selects(EMAIL, "automatic", "inclusion")(users), in_schema(*EMAIL)(users)),
    ),
    (
        "email",
        lambda users: beside_metadata(users, EMAIL).update(
            breadcrumb="properties.email", selected="false"
        ),
    ),
    (
        "email",
        lambda users: users["schema"]["properties"].update(
            email={"anyOf": [{"type": "string", "selected": False}, {"type": "null"}]}
        ),
    ),
    ("address.city", selects(CITY)),
    ("address.city", in_schema(*CITY)),
    ("address.city", without_metadata(in_schema(*CITY))),
    ("customAttributes.plan", selects(["properties", "customAttributes", "properties", "plan"])),
    ("stream", selects([])),
    ("stream", selects([], "false")),
    ("stream", lambda users: users.update(selected=False, metadata=[])),
    ("stream", lambda users: users.update(selected="false", metadata=users["metadata"][:-1])),
    ("stream", without_metadata(in_schema())),
    ("nothing", selects(["properties", "userId"])),
    ("nothing", selects(["properties", "lastModifiedTime"], "false")),
    ("nothing", lambda users: users.update(selected=True)),
    ("nothing", selects(EMAIL, "true")),
    ("nothing", selects(EMAIL, None)),
    ("nothing", selects(["properties", "address", "properties", "addedLater"])),
]


def without(record: dict[str, Any], path: str) -> dict[str, Any]:
    *parents, name = path.split(".")
    part = record
    for parent in parents:
        part = part[parent]
    part.pop(name, None)
    return record


@pytest.mark.parametrize(("path", "change"), WORKS)
def test_what_is_deselected_is_left_out(
    sandbox: Sandbox, tap: Tap, path: str, change: Change
) -> None:
    catalog = discovered()
    item(entry(catalog), [])["selected"] = True
    change(entry(catalog))
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 0, output.stderr
    wanted = [without(record, path) for record in expected_records(sandbox.world, "users")]
    assert output.records("users") == ([] if path == "stream" else wanted)
    assert bool(sandbox.pages("users")) is (path != "stream")


@pytest.mark.parametrize("parent", [True, False])
def test_children_of_a_deselected_parent(sandbox: Sandbox, tap: Tap, parent: bool) -> None:  # noqa: FBT001 - a row
    catalog = discovered()
    users = entry(catalog)
    item(users, ["properties", "address"])["selected"] = parent
    for name in users["schema"]["properties"]["address"]["properties"]:
        item(users, ["properties", "address", "properties", name])["selected"] = True
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 0
    assert all(("address" in record) is parent for record in output.records("users"))


def as_a_key(deselect: Change) -> Change:
    return lambda users: (users.update(key_properties=["userId", "email"]), deselect(users))


NO_KEY = "`email` is one of the keys, and not a property that is selected"
MISTAKES: list[tuple[Change, str]] = [
    (as_a_key(selects(EMAIL)), NO_KEY),
    (as_a_key(selects(EMAIL, "unsupported", "inclusion")), NO_KEY),
    (as_a_key(in_schema(*EMAIL)), NO_KEY),
    (
        lambda users: (
            users.pop("key_properties"),
            item(users, []).update({"table-key-properties": ["email"]}),
            selects(EMAIL, "false")(users),
        ),
        NO_KEY,
    ),
    (selects(EMAIL, "no"), '["properties", "email"]: `selected` must be true or false'),
    (selects(EMAIL, 0), "`selected` must be true or false"),
    (selects([], "never", "selected-by-default"), "`selected-by-default` must be true or false"),
    (selects("properties.email"), '["properties", "email"]: stands in the metadata twice'),
    (selects("email"), 'must be written ["properties", "email"]'),
    (selects(["properties", "address", "city"]), f"must be written {json.dumps(CITY)}"),
    (selects(["email"]), 'must be written ["properties", "email"]'),
    (selects(["properties"]), "must be written"),
    (selects(["properties", "e-mail"]), 'did you mean "email"'),
    (selects(["properties", "vip"]), "additionalProperties.vip"),
    (
        selects(["properties", "address", "properties", "citty"]),
        'there is no property citty; did you mean "city"',
    ),
    (
        selects(["properties", "interests", "items"]),
        'nothing below ["properties", "interests"] can be selected: lists',
    ),
    (selects([*EMAIL, "properties", "host"]), 'nothing below ["properties", "email"]'),
    (lambda users: item(users, EMAIL).update(Selected=False), "Selected in the metadata"),
    (lambda users: item(users, EMAIL).update(is_selected=False), 'did you mean "selected"'),
    (lambda users: item(users, EMAIL).update(deselected=True), 'did you mean "selected"'),
    *(
        (lambda users, key=key: item(users, EMAIL).update({key: True}), 'mean "selected" in the')
        for key in (
            "excluded",
            "exclude",
            "deselect",
            "is-selected",
            "unselected",
            "skip",
            "ignore",
        )
    ),
    (in_schema(*EMAIL, value=True, key="exclude"), f"{json.dumps(EMAIL)}: exclude in its schema"),
    (lambda users: users.update(excluded=True), "excluded in its entry is not a key"),
    (lambda users: users.update(Selected=False), "Selected in its entry is not a key"),
    (lambda users: users.update(is_selected=False), "is_selected in its entry is not a key"),
    (in_schema(*EMAIL, key="Selected"), "Selected in its schema"),
    (in_schema(key="is_selected"), "is_selected in its schema at [] is not a key"),
    (in_schema(*EMAIL, key="selected-by-default"), "is not a key there; did you mean"),
    (lambda users: users.update({"selected-by-default": False}), "in the metadata"),
    (lambda users: beside_metadata(users, EMAIL).update(Selected=False), "beside `metadata`"),
    (
        lambda users: (
            item(users, EMAIL).update(selected=True),
            beside_metadata(users, EMAIL).update(selected=False),
        ),
        "`selected` is true in the metadata, false in the item",
    ),
    (selects(["Properties", "email"]), 'must be written ["properties", "email"]'),
    (selects(["properties", "Email"]), 'did you mean "email"'),
    (selects(["properties", "address__city"]), "there is no property address__city"),
    (selects(["properties", "address.city"]), "there is no property address.city"),
    (selects(EMAIL, "Unsupported", "inclusion"), "`inclusion` must be one of available"),
    (in_schema(*EMAIL, value="excluded", key="inclusion"), "`inclusion` must be one of available"),
    (
        lambda users: users["metadata"].append({"breadcrumb": EMAIL, "metadata": {}}),
        '["properties", "email"]: stands in the metadata twice',
    ),
    (
        lambda users: (selects(EMAIL, True)(users), in_schema(*EMAIL)(users)),
        "`selected` is true in the metadata, false in its schema",
    ),
    (
        lambda users: (item(users, []).update(selected=True), users.update(selected=False)),
        "`selected` is true in the metadata, false in its entry",
    ),
    (in_schema("properties", "interests", "items"), "lists are exported whole, or not"),
]


@pytest.mark.parametrize(("change", "says"), MISTAKES)
def test_what_has_no_effect_is_a_mistake(
    sandbox: Sandbox, tap: Tap, change: Change, says: str
) -> None:
    catalog = discovered()
    change(entry(catalog))
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 1
    assert "users" in output.last_line
    assert says in output.last_line
    assert not sandbox.requests


def test_a_stream_that_stands_there_twice(sandbox: Sandbox, tap: Tap) -> None:
    catalog = discovered()
    catalog["streams"].append({**entry(catalog), "metadata": []})
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 1
    assert 'the stream "users" stands in it 2 times' in output.last_line
    assert not sandbox.requests


# --test


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_tested(start: Start, tap: Tap, order: int) -> None:
    sandbox = start()
    catalog = discovered()
    item(entry(catalog), [])["selected"] = False
    tap(sandbox.config(), catalog=catalog)
    sandbox.requests.clear()
    options = ["--test", "--catalog=catalog.json", "--config=config.json"][::order]
    output = tap(None, *options)
    assert output.code == 0, output.stderr
    assert output.last_line.endswith("Connection OK: events, sessions")
    assert not sandbox.pages("users")


# Streams that their maps drop


def dropped(sandbox: Sandbox, tap: Tap, maps: dict[str, Any], *args: str, **more: Any) -> Output:
    return tap(sandbox.config(stream_maps=maps), *args, **more)


@pytest.mark.parametrize(
    ("maps", "fetched", "made"),
    [
        ({"users": "__NULL__"}, {"events", "sessions"}, {"events", "sessions"}),
        ({"users": None}, {"events", "sessions"}, {"events", "sessions"}),
        ({"users": {}, "__else__": "__NULL__"}, {"users"}, {"users"}),
        (
            {"users": "__NULL__", "people": {"__source__": "users"}, "__else__": None},
            {"users"},
            {"people"},
        ),
    ],
)
def test_a_stream_that_all_of_its_maps_drop(
    sandbox: Sandbox, tap: Tap, maps: dict[str, Any], fetched: set[str], made: set[str]
) -> None:
    state = tap(sandbox.config()).state
    sandbox.world.visits(5)
    sandbox.requests.clear()
    output = dropped(sandbox, tap, maps, state=state)
    assert output.code == 0, output.stderr
    assert {request.stream for request in sandbox.requests} == fetched
    assert {message["stream"] for message in output.of("SCHEMA")} == made
    for stream in {"events", "sessions", "users"} - fetched:
        assert output.state["bookmarks"][stream] == state["bookmarks"][stream]
        assert f"{stream}: all of its stream maps drop it" in output.stderr
    tested = dropped(sandbox, tap, maps, "--test")
    assert tested.last_line.endswith(f"Connection OK: {', '.join(sorted(fetched))}")


def test_nothing_is_left_by_catalog_and_maps(sandbox: Sandbox, tap: Tap) -> None:
    catalog = discovered()
    for name in ("events", "sessions"):
        item(entry(catalog, name), [])["selected"] = False
    output = dropped(sandbox, tap, {"users": "__NULL__"}, catalog=catalog)
    assert output.code == 1
    assert "The catalog and `stream_maps` leave no stream selected" in output.last_line
    assert not sandbox.requests
