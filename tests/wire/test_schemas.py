"""What `--discover` prints: the users' reference of what the contract names."""

import re

import jsonschema
import pytest

from dev.dictionary import columns
from dev.expected import KEYS, ORDERS, STREAMS
from dev.sandbox import Sandbox, World
from tap_croct import schemas
from tests.support.fixtures import Json, Tap

TIMES = {
    "events": {"timestamp"},
    "sessions": {"closeTime", "window.start", "window.end"},
    "users": {"lastModifiedTime", "birthDate"},
}


@pytest.fixture
def entries(catalog: Json) -> dict[str, Json]:
    return {entry["tap_stream_id"]: entry for entry in catalog["streams"]}


def test_every_property(entries: dict[str, Json]) -> None:
    for stream, entry in entries.items():
        for path, prop in columns(entry["schema"]):
            assert prop["description"].strip(), path
            assert ("null" in prop["type"]) is (path != KEYS[stream]), path
            assert (prop.get("format") == "date-time") is (path in TIMES[stream]), path
            assert prop.get("format", "date-time") == "date-time", path
            if "object" in prop["type"]:
                assert prop["additionalProperties"], path
            assert prop.get("properties") != {}, path
            if "items" in prop:
                assert "null" in prop["items"]["type"], path


def test_the_payloads_of_the_contract() -> None:
    """The sandbox's events have every property that the contract names for their type."""
    found: dict[str, set[str]] = {}
    for event in World(visits=250).items("events"):
        payload = event["payload"]
        found.setdefault(payload["@type"], set()).update(payload.keys() - {"@type"})
    assert {kind: {p.name for p in props} for kind, props in schemas.PAYLOADS.items()} == found


def test_every_record_is_valid(sandbox: Sandbox, tap: Tap, entries: dict[str, Json]) -> None:
    output = tap(sandbox.config())
    assert [message["stream"] for message in output.of("SCHEMA")] == list(entries) == list(STREAMS)
    for message, (stream, entry) in zip(output.of("SCHEMA"), entries.items(), strict=True):
        assert message["schema"] == entry["schema"]
        assert message["key_properties"] == entry["key_properties"] == [KEYS[stream]]
        assert message["bookmark_properties"] == [entry["replication_key"]] == [ORDERS[stream]]
        assert entry["replication_method"] == "INCREMENTAL"
        assert entry["schema"]["required"] == [KEYS[stream]]
        validator = jsonschema.Draft7Validator(message["schema"])
        for record in output.records(stream):
            validator.validate(record)


def test_flattened_names_do_not_clash(tap: Tap, sandbox: Sandbox) -> None:
    """Warehouses fold the case, and some drop signs such as the `@`."""
    for depth in range(1, 5):
        config = sandbox.config(flattening_enabled=True, flattening_max_depth=depth)
        for message in tap(config, "--test=schema").of("SCHEMA"):
            names = [re.sub(r"\W", "", name).lower() for name in message["schema"]["properties"]]
            assert len(set(names)) == len(names)
    assert sandbox.requests == []
