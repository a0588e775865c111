"""State files and catalogs as people break them; a clear message, or the sensible thing."""

import copy
from pathlib import Path
from typing import Any

import pytest

from dev.expected import STREAMS
from dev.sandbox import Sandbox
from tests.support.catalogs import entry_of, metadata_of
from tests.support.fixtures import Json, Refused, Tap
from tests.support.runs import assert_all


def bookmarks(**values: Any) -> Json:
    return {"bookmarks": {"events": values}}


NO_STATE = 'must look like {"bookmarks"'
NO_CURSOR = "The state of events has a `cursor` that is not a string"
NO_SCOPE = "The state of events has a `scope` that is not an object"
NO_DATE = "0001-01-01T00:00:00+14:00"
UNREADABLE = "The state of events has a `scope` that cannot be read"
BAD_STATES: list[tuple[str, list[Any]]] = [
    ("state.json is empty", ["", " \n"]),
    ("state.json is not valid JSON", ["{", "{'bookmarks': {}}", "[" * 100_000]),
    ("surrogates not allowed", ['{"bookmarks": {"other": {"a": "\\ud800"}}}']),
    ("state.json must be a JSON object", ["[]", "null"]),
    (NO_STATE, [{"events": {}}, {"bookmarks": []}, {"bookmarks": None}]),
    (NO_STATE, [{"type": "STATE", **value} for value in ({}, {"value": None}, {"value": [1]})]),
    ("The state of events must be an object", [{"bookmarks": {"events": v}} for v in (5, None)]),
    (NO_CURSOR, [bookmarks(cursor=5), bookmarks(cursor={"a": 1}), bookmarks(cursor=["a"])]),
    (NO_SCOPE, [bookmarks(scope=5), bookmarks(scope=["a"])]),
    (UNREADABLE, [bookmarks(scope={"start_date": date}) for date in (5, "soon", NO_DATE)]),
    (UNREADABLE, [bookmarks(scope={"event_types": 5}), bookmarks(scope={"event_types": [[]]})]),
    ("`replication_key` that is not a string", [bookmarks(replication_key=5)]),
    ("`replication_key_value` that is not a string", [bookmarks(replication_key_value=5)]),
    ("`replication_key_value` that is not a time", [bookmarks(replication_key_value="soon")]),
]
DEEP: Json = {}
for _ in range(300):
    DEEP = {"properties": {"a": DEEP}}
BAD_ENTRIES: list[Json] = [
    *({"metadata": 5}, {"metadata": [{}]}, {"schema": 5}),
    *({"key_properties": "id"}, {"key_properties": [[]]}, {"schema": {"anyOf": [None]}}),
]
NO_CATALOG = "--catalog is not a Singer catalog"
OF_EVENTS = f'{NO_CATALOG}, such as `tap-croct --discover` prints: see the stream "events"'
BAD_CATALOGS: list[tuple[str, list[Any]]] = [
    ('it has "selected" twice', ['{"streams": [{"selected": false, "selected": true}]}']),
    ("catalog.json is empty", [""]),
    ("catalog.json is not valid JSON", ["{"]),
    ("catalog.json must be a JSON object", ["[]"]),
    (NO_CATALOG, [{"streams": [{"tap_stream_id": "events", "schema": DEEP}]}]),
    (NO_CATALOG, [{}, {"streams": 5}, {"streams": {"events": {}}}, {"streams": [5]}]),
    (OF_EVENTS, [{"streams": [{"tap_stream_id": "events", **bad}]} for bad in BAD_ENTRIES]),
]


@pytest.mark.parametrize(
    ("option", "says", "values"),
    [
        *(("state", says, values) for says, values in BAD_STATES),
        *(("catalog", says, values) for says, values in BAD_CATALOGS),
    ],
)
def test_what_is_broken_stops_the_run(
    refused: Refused, option: str, says: str, values: list[Any]
) -> None:
    for value in values:
        assert says in refused(**{option: value})


@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_files_that_cannot_be_read(sandbox: Sandbox, tap: Tap, tmp_path: Path, option: str) -> None:
    (tmp_path / "odd.json").write_bytes(b"\xff\xfe{\x00}\x00")  # as PowerShell writes it
    output = tap(sandbox.config(), option, "odd.json", code=1)
    assert f"{option} odd.json cannot be read" in output.last_line
    output = tap(sandbox.config(), option, "nowhere.json", code=2)
    assert "nowhere.json" in output.stderr
    assert sandbox.requests == []


@pytest.mark.parametrize("command", ["--help", "--version", "--discover", "--test=schema"])
@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_commands_that_read_neither(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, option: str, command: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    tap(sandbox.config(), option, "broken.json", command)


# States


NO_PLACE: list[object] = [
    # all of them mean: from the beginning
    {},
    "\ufeff{}",  # with a byte order mark
    bookmarks(cursor=None, replication_key=None, replication_key_value=None, scope=None),
    bookmarks(cursor="", replication_key_value=""),
    bookmarks(progress_markers={"Note": "x"}, starting_replication_value="2026-01-01"),
    bookmarks(partitions=[{"context": {"a": 1}}]),
    {"type": "STATE", "value": {}},
]


@pytest.mark.parametrize("state", NO_PLACE, ids=str)
def test_a_state_without_a_place_starts_at_the_beginning(
    sandbox: Sandbox, tap: Tap, state: object
) -> None:
    output = tap(sandbox.config(), state=state)
    assert_all(output, sandbox)
    for bookmark in output.state["bookmarks"].values():
        assert bookmark.keys() == {"cursor", "replication_key", "replication_key_value", "scope"}


def test_a_whole_state_message_is_a_state(sandbox: Sandbox, tap: Tap) -> None:
    """`tail -1 output.jsonl > state.json` is what people do."""
    last = tap(sandbox.config()).stdout.splitlines()[-1]
    assert tap(sandbox.config(), state=last).counts() == dict.fromkeys(STREAMS, 0)


def test_a_state_of_other_streams_is_kept(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(), state={"bookmarks": {"orders": {"cursor": 7}}})
    says = "has a bookmark of orders, which is not a stream of this tap: it is ignored, and kept"
    assert says in output.stderr
    assert output.state["bookmarks"]["orders"] == {"cursor": 7}


# Catalogs


@pytest.mark.parametrize("where", ["entry", "metadata"])
@pytest.mark.parametrize("keys", [[], ["userId"], ["id", "timestamp"]])
def test_other_keys_on_purpose(
    sandbox: Sandbox, tap: Tap, catalog: Json, where: str, keys: list[str]
) -> None:
    entry = entry_of(catalog, "events")
    entry["key_properties"] = metadata_of(entry, [])["table-key-properties"] = keys
    if where == "metadata":
        del entry["key_properties"]
    output = tap(sandbox.config(), catalog=catalog)
    assert output.of("SCHEMA")[0]["key_properties"] == keys


def test_an_unknown_stream_in_a_catalog(sandbox: Sandbox, tap: Tap, catalog: Json) -> None:
    catalog["streams"].append({**copy.deepcopy(catalog["streams"][0]), "tap_stream_id": "orders"})
    output = tap(sandbox.config(), catalog=catalog)
    assert_all(output, sandbox)
    assert "has a stream orders, which is not a stream of this tap: it is ignored" in output.stderr
