"""What `--discover` prints: the users' reference of what the contract names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from dev.expected import KEYS, ORDERS, STREAMS
from tap_croct import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.sandbox import Sandbox
    from tests.support.fixtures import Json, Tap

TIMES = {
    "events": {"timestamp"},
    "sessions": {"closeTime", "window.start", "window.end"},
    "users": {"lastModifiedTime", "birthDate"},
}

# The contract, in short: each property beside `@type` of each payload (export-api, 0.7.1)
PAYLOADS = """
userSignedUp externalUserId
userSignedIn externalUserId
userSignedOut externalUserId
tabOpened tabId
tabUrlChanged tabId url
tabVisibilityChanged tabId visibility
pageOpened url userAgent preferredLanguages referrer
pageLoaded url title lastModifiedTime
locationDetected location
clientDetected client
productViewed product
productAbandoned cartItem cart
cartViewed cart
cartModified cart
cartAbandoned cart
checkoutStarted cart orderId
orderPlaced order
goalCompleted goalId value currency
leadGenerated leadId value currency
eventOccurred name details
nothingChanged sinceTime
testGroupAssigned testId groupId
slotPersonalized personalization metadata
audienceMatched audienceIds
userClicked point surfaceSize
userScrolled start end surfaceSize viewportSize
"""


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, prop in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, prop
        yield from walk(prop, here)
        if "items" in prop:
            yield from walk(prop["items"], f"{here}[]")


@pytest.fixture
def entries(catalog: Json) -> dict[str, Json]:
    return {entry["tap_stream_id"]: entry for entry in catalog["streams"]}


def test_streams_and_keys(entries: dict[str, Json]) -> None:
    assert list(entries) == list(STREAMS)
    for stream, entry in entries.items():
        assert entry["key_properties"] == [KEYS[stream]]
        assert entry["replication_key"] == ORDERS[stream]
        assert entry["replication_method"] == "INCREMENTAL"
        assert entry["schema"]["required"] == [KEYS[stream]]


def test_every_property(entries: dict[str, Json]) -> None:
    for stream, entry in entries.items():
        for path, prop in walk(entry["schema"]):
            assert prop["description"].strip(), path
            assert ("null" in prop["type"]) is (path != KEYS[stream]), path
            assert (prop.get("format") == "date-time") is (path in TIMES[stream]), path
            assert prop.get("format", "date-time") == "date-time", path
            if "object" in prop["type"]:
                assert prop["additionalProperties"], path
            assert prop.get("properties") != {}, path
            if "items" in prop:
                assert "null" in prop["items"]["type"], path


def test_the_payloads_of_the_contract(entries: dict[str, Json]) -> None:
    table = {line.split()[0]: line.split()[1:] for line in PAYLOADS.strip().splitlines()}
    assert {kind: [p.name for p in props] for kind, props in schemas.PAYLOADS.items()} == table
    declared = entries["events"]["schema"]["properties"]["payload"]["properties"]
    assert declared.keys() == {"@type"}.union(*table.values())


def test_a_property_of_several_payloads_has_one_type() -> None:
    seen: dict[str, Any] = {}
    for properties in schemas.PAYLOADS.values():
        for prop in properties:
            assert seen.setdefault(prop.name, prop.type_dict) == prop.type_dict


def test_every_record_is_valid(sandbox: Sandbox, tap: Tap, entries: dict[str, Json]) -> None:
    output = tap(sandbox.config())
    schema_messages = {message["stream"]: message for message in output.of("SCHEMA")}
    for stream in STREAMS:
        message = schema_messages[stream]
        assert message["schema"] == entries[stream]["schema"]
        assert message["key_properties"] == [KEYS[stream]]
        assert message["bookmark_properties"] == [ORDERS[stream]]
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


def test_the_schemas_alone(sandbox: Sandbox, tap: Tap) -> None:
    schema = tap(sandbox.config(), "--test=schema")
    assert [message["stream"] for message in schema.messages] == list(STREAMS)
    assert sandbox.requests == []
