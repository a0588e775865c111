"""State files and catalogs as people break them; a clear message, or the sensible thing."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import KEYS, ORDERS, STREAMS, expected_records
from tap_croct.bookmark import checked_state
from tests.support.catalogs import catalog_of, select

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]


def bookmarks(**values: Any) -> dict[str, Any]:
    return {"bookmarks": {"events": values}}


BAD_STATES: list[tuple[object, str]] = [
    ("", "state.json is empty"),
    (" \n", "state.json is empty"),
    ("{", "state.json is not valid JSON"),
    ("{'bookmarks': {}}", "state.json is not valid JSON"),
    ("[]", "state.json must be a JSON object"),
    ("null", "state.json must be a JSON object"),
    ({"events": {}}, 'must look like {"bookmarks"'),
    ({"bookmarks": []}, 'must look like {"bookmarks"'),
    ({"bookmarks": None}, 'must look like {"bookmarks"'),
    ({"bookmarks": {"events": 5}}, "The state of events must be an object"),
    ({"bookmarks": {"events": None}}, "The state of events must be an object"),
    ({"type": "STATE", "value": [1]}, 'must look like {"bookmarks"'),
    (bookmarks(cursor=5), "The state of events has a `cursor` that is not a string"),
    (bookmarks(cursor={"a": 1}), "The state of events has a `cursor` that is not a string"),
    (bookmarks(cursor=["a"]), "The state of events has a `cursor` that is not a string"),
    ("[" * 100_000, "state.json is not valid JSON"),
    (bookmarks(scope=5), "The state of events has a `scope` that is not an object"),
    (bookmarks(scope=["a"]), "The state of events has a `scope` that is not an object"),
    (bookmarks(scope={"start_date": 5}), "The state of events has a `scope` that cannot be read"),
    (bookmarks(scope={"start_date": "soon"}), "has a `scope` that cannot be read"),
    (bookmarks(scope={"event_types": 5}), "has a `scope` that cannot be read"),
    (bookmarks(scope={"event_types": [[]]}), "has a `scope` that cannot be read"),
    (bookmarks(replication_key=5), "`replication_key` that is not a string"),
    (bookmarks(replication_key_value=5), "`replication_key_value` that is not a string"),
    (bookmarks(replication_key_value="soon"), "`replication_key_value` that is not a time"),
]


@pytest.mark.parametrize(("state", "says"), BAD_STATES, ids=str)
def test_a_broken_state_stops_the_run(sandbox: Sandbox, tap: Tap, state: object, says: str) -> None:
    output = tap(sandbox.config(), state=state)
    assert output.code == 1
    assert says in output.last_line
    assert "Traceback" not in output.stderr
    assert output.stdout == ""
    assert sandbox.requests == []


GOOD_STATES: list[object] = [
    # all of them mean: from the beginning
    {},
    {"bookmarks": {}},
    {"bookmarks": {"events": {}}},
    bookmarks(cursor=None, replication_key=None, replication_key_value=None),
    bookmarks(cursor="", replication_key_value=""),
    bookmarks(progress_markers={"Note": "x"}, starting_replication_value="2026-01-01"),
    bookmarks(partitions=[{"context": {"a": 1}}]),
    {"type": "STATE", "value": {}},
]


@pytest.mark.parametrize("state", GOOD_STATES, ids=str)
def test_a_state_without_a_place_starts_at_the_beginning(
    sandbox: Sandbox, tap: Tap, state: object
) -> None:
    output = tap(sandbox.config(), state=state)
    assert output.code == 0, output.stderr
    assert output.records("events") == expected_records(sandbox.world, "events")
    for bookmark in output.state["bookmarks"].values():
        assert bookmark.keys() == {"cursor", "replication_key", "replication_key_value", "scope"}


def test_a_whole_state_message_is_a_state(sandbox: Sandbox, tap: Tap) -> None:
    """`tail -1 output.jsonl > state.json` is what people do."""
    last = tap(sandbox.config()).stdout.splitlines()[-1]
    assert tap(sandbox.config(), state=last).counts() == dict.fromkeys(STREAMS, 0)


def test_a_state_of_other_streams_is_kept(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(), state={"bookmarks": {"orders": {"cursor": 7}}})
    assert output.code == 0
    assert (
        "has a bookmark of orders, which is not a stream of this tap: it is ignored, and kept"
        in (output.stderr)
    )
    assert output.state["bookmarks"]["orders"] == {"cursor": 7}


BAD_CATALOGS: list[tuple[object, str]] = [
    ("", "catalog.json is empty"),
    ("{", "catalog.json is not valid JSON"),
    ("[]", "catalog.json must be a JSON object"),
    ({}, "--catalog is not a Singer catalog"),
    ({"streams": 5}, "--catalog is not a Singer catalog"),
    ({"streams": {"events": {}}}, "--catalog is not a Singer catalog"),
    ({"streams": [5]}, "--catalog is not a Singer catalog"),
    ({"streams": [{}]}, "--catalog is not a Singer catalog"),
    (
        {"streams": [{"tap_stream_id": "events", "metadata": 5}]},
        "--catalog is not a Singer catalog",
    ),
    (
        {"streams": [{"tap_stream_id": "events", "metadata": [{}]}]},
        "--catalog is not a Singer catalog",
    ),
    (
        {"streams": [{"tap_stream_id": "events", "key_properties": "id"}]},
        "--catalog is not a Singer",
    ),
    (
        {"streams": [{"tap_stream_id": "events", "key_properties": [5]}]},
        "--catalog is not a Singer",
    ),
    ({"streams": [{"tap_stream_id": "events", "schema": 5}]}, "--catalog is not a Singer catalog"),
]


@pytest.mark.parametrize(("catalog", "says"), BAD_CATALOGS, ids=str)
def test_a_broken_catalog_stops_the_run(
    sandbox: Sandbox, tap: Tap, catalog: object, says: str
) -> None:
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 1
    assert says in output.last_line
    assert "Traceback" not in output.stderr
    assert sandbox.requests == []


def root(entry: dict[str, Any]) -> dict[str, Any]:
    (metadata,) = [m["metadata"] for m in entry["metadata"] if not m["breadcrumb"]]
    return metadata  # type: ignore[no-any-return]


def deselect_keys(entry: dict[str, Any]) -> None:
    for metadata in entry["metadata"]:
        if metadata["breadcrumb"]:
            metadata["metadata"] |= {"inclusion": "available"}
        if metadata["breadcrumb"][1:] in ([KEYS["events"]], [ORDERS["events"]]):
            metadata["metadata"]["selected"] = False


def undeclare_keys(entry: dict[str, Any]) -> None:
    for name in (KEYS["events"], ORDERS["events"]):
        del entry["schema"]["properties"][name]


def forget_keys(entry: dict[str, Any]) -> None:
    for name in ("key_properties", "replication_key", "replication_method"):
        del entry[name]
    for name in ("table-key-properties", "replication-key", "valid-replication-keys"):
        root(entry).pop(name, None)


def other_replication_key(entry: dict[str, Any]) -> None:
    entry["replication_key"] = root(entry)["replication-key"] = "sessionId"


@pytest.mark.parametrize(
    "change", [deselect_keys, undeclare_keys, forget_keys, other_replication_key]
)
def test_the_keys_are_kept(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    catalog = catalog_of(tmp_path)
    select(catalog, "events", selected=True)
    change(catalog["streams"][0])
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 0, output.stderr
    schema = output.of("SCHEMA")[0]
    assert schema["key_properties"] == ["id"]
    assert {"id", "timestamp"} <= schema["schema"]["properties"].keys()
    assert output.records("events") == expected_records(sandbox.world, "events")
    assert output.state["bookmarks"]["events"]["replication_key"] == "timestamp"


def test_a_catalog_without_keys_on_purpose(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    select(catalog, "events", selected=True)
    catalog["streams"][0]["key_properties"] = []
    root(catalog["streams"][0])["table-key-properties"] = []
    schema = tap(sandbox.config(), catalog=catalog).of("SCHEMA")[0]
    assert schema["key_properties"] == []


@pytest.mark.parametrize("keys", [["userId"], ["id", "timestamp"]])
def test_keys_of_the_metadata(sandbox: Sandbox, tap: Tap, tmp_path: Path, keys: list[str]) -> None:
    catalog = catalog_of(tmp_path)
    select(catalog, "events", selected=True)
    entry = catalog["streams"][0]
    del entry["key_properties"]
    root(entry)["table-key-properties"] = keys
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 0, output.stderr
    assert output.of("SCHEMA")[0]["key_properties"] == keys


def test_a_key_that_does_not_exist(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    select(catalog, "events", selected=True)
    catalog["streams"][0]["key_properties"] = ["eventId"]
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 1
    assert "gives events the key `eventId`, which is not a property" in output.last_line
    assert sandbox.requests == []


def test_a_stream_with_another_name(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    select(catalog, "events", selected=True)
    catalog["streams"][0]["stream"] = "web_events"
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 1
    assert '{"events": {"__alias__": "web_events"}}' in output.last_line
    assert sandbox.requests == []


@pytest.mark.parametrize("name", ["users", "*"])
def test_a_stream_map_of_a_stream_that_is_not_selected(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, name: str
) -> None:
    catalog = catalog_of(tmp_path)
    select(catalog, "events", selected=True)
    select(catalog, "users", selected=False)
    select(catalog, "sessions", selected=False)
    maps = {name: {"externalUserId": None, "added": "'x'"}}
    output = tap(sandbox.config(stream_maps=maps), catalog=catalog)
    assert output.code == 0, output.stderr
    assert {message["stream"] for message in output.of("SCHEMA")} == {"events"}
    assert len(output.records("events")) == len(expected_records(sandbox.world, "events"))


def test_names_of_columns_that_clash(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    """Cut to 25 characters, the names of two columns of events are the same."""
    catalog = catalog_of(tmp_path)
    select(catalog, "users", selected=True)
    select(catalog, "events", selected=False)
    short = {"flattening_enabled": True, "flattening_max_depth": 3, "flattening_max_key_length": 25}
    output = tap(sandbox.config(**short), catalog=catalog)
    assert output.code == 0, output.stderr
    assert len(output.records("users")) == len(expected_records(sandbox.world, "users"))
    output = tap(sandbox.config(**short))
    assert output.code == 1
    assert "`flattening_max_key_length` cuts the names of two columns" in output.last_line


def test_a_catalog_without_metadata_selects_everything(
    sandbox: Sandbox, tap: Tap, tmp_path: Path
) -> None:
    entry = catalog_of(tmp_path)["streams"][0]
    del entry["metadata"]
    output = tap(sandbox.config(), catalog={"streams": [entry]})
    assert output.records("events") == expected_records(sandbox.world, "events")


def test_a_scope_is_accepted() -> None:
    scope = {"start_date": "2026-01-01", "event_types": ["pageOpened"], "end": None, "n": 1}
    checked = checked_state(bookmarks(cursor="a", scope=scope), STREAMS, logging.getLogger())
    assert checked["bookmarks"]["events"] == {"cursor": "a", "scope": scope}
    assert (
        "scope"
        not in (
            checked_state(bookmarks(scope=None), STREAMS, logging.getLogger())["bookmarks"][
                "events"
            ]
        )
    )


@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_files_that_are_not_text(sandbox: Sandbox, tap: Tap, tmp_path: Path, option: str) -> None:
    (tmp_path / "odd.json").write_bytes(b"\xff\xfe{\x00}\x00")  # as PowerShell writes it
    output = tap(sandbox.config(), option, "odd.json")
    assert output.code == 1
    assert f"{option} odd.json cannot be read" in output.last_line
    assert "Traceback" not in output.stderr


def test_a_mark_at_the_beginning(sandbox: Sandbox, tap: Tap) -> None:
    assert tap(sandbox.config(), state="\ufeff{}").code == 0


@pytest.mark.parametrize("nothing", ["deselected", "no streams"])
def test_nothing_selected(sandbox: Sandbox, tap: Tap, tmp_path: Path, nothing: str) -> None:
    catalog = copy.deepcopy(catalog_of(tmp_path)) if nothing == "deselected" else {"streams": []}
    for stream in STREAMS if nothing == "deselected" else ():
        select(catalog, stream, selected=False)
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 1
    assert "The catalog and `stream_maps` leave no stream selected" in output.last_line
    assert output.stdout == ""
    assert sandbox.requests == []


def test_an_unknown_stream_in_a_catalog(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    select(catalog, "users", selected=True)
    catalog["streams"].append({**copy.deepcopy(catalog["streams"][0]), "tap_stream_id": "orders"})
    output = tap(sandbox.config(), catalog=catalog)
    assert output.code == 0
    assert "has a stream orders, which is not a stream of this tap: it is ignored" in output.stderr
    assert output.records("users") == expected_records(sandbox.world, "users")


def test_files_that_are_not_there(sandbox: Sandbox, tap: Tap) -> None:
    for option in ("--state", "--catalog"):
        output = tap(sandbox.config(), option, "nowhere.json")
        assert output.code == 2
        assert "nowhere.json" in output.stderr
        assert "Traceback" not in output.stderr
    assert sandbox.requests == []
