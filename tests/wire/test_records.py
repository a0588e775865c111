"""Every record arrives, once, with every value."""

import json
import random
import re
import uuid
from typing import Any

import jsonschema
import pytest

from dev.dictionary import columns
from dev.expected import KEYS, ORDERS, STREAMS, expected_records, moment
from dev.sandbox import Sandbox, World
from tap_croct import schemas
from tests.support.fixtures import Json, Start, Tap
from tests.support.runs import assert_all, serve

FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999
"""The first and the last millisecond of the calendar, since the epoch."""


def test_every_value_as_described(start: Start, tap: Tap) -> None:
    sandbox = start(visits=60)
    for page_size in (1000, 37):
        output = tap(sandbox.config(page_size=page_size))
        assert_all(output, sandbox)
        assert output.warnings == []
        assert len({record["eventType"] for record in output.records("events")}) == 26


# Times


def test_times(start: Start, tap: Tap) -> None:
    randomly = random.Random(1)
    good = [FIRST, FIRST + 1, -59_999, -60_000, -1, 0, 1, LAST - 60_000, LAST]
    good += [randomly.randrange(FIRST, LAST) for _ in range(300)]
    wanted: list[tuple[Any, Any]] = [(ms, moment(ms)) for ms in good]
    wanted += [(None, None), ("1815-12-10", "1815-12-10"), (True, True), (-125.0, moment(-125))]
    wanted += [(1.5, moment(1)), (-1.5, moment(-2))]
    beyond = [FIRST - 1, LAST + 1, 10**30, 1e30]
    sandbox = start(visits=0)
    sandbox.world.logs["users"].extend(
        [
            {"userId": str(number), "lastModifiedTime": 0, "birthDate": ms}
            for number, ms in enumerate([*beyond, *(ms for ms, _ in wanted)])
        ]
    )
    output = tap(sandbox.config(page_size=100))
    dates = [user["birthDate"] for user in output.records("users")]
    assert dates == [None] * len(beyond) + [text for _, text in wanted]
    assert output.stderr.count("not a time from year 1 to 9999") == 1


# Records of older contracts


def test_lists_that_were_strings(sandbox: Sandbox, tap: Tap) -> None:
    first, second = sandbox.world.items("users")[:2]
    first.update(activities="climbing", interests="")
    second.update(activities=["a", "b"], interests=None)
    first, second = tap(sandbox.config()).records("users")[:2]
    assert (first["activities"], first["interests"]) == (["climbing"], [""])
    assert (second["activities"], second["interests"]) == (["a", "b"], None)


def test_the_type_of_an_event(sandbox: Sandbox, tap: Tap) -> None:
    payloads: list[tuple[Any, Any]] = [
        ({"type": "tabOpened", "tabId": "1"}, "tabOpened"),  # its old name
        ({"@type": "tabOpened", "type": "other"}, "tabOpened"),
        ({"@type": 1.5}, 1.5),
        ({"@type": [1, None, "x{"]}, [1, None, "x{"]),
        ({}, None),
        ("none", None),
        (None, None),
    ]
    events = sandbox.world.items("events")
    for event, (payload, _) in zip(events, payloads, strict=False):
        event["payload"] = payload
    found = tap(sandbox.config()).records("events")[: len(payloads)]
    assert [(event["payload"], event["eventType"]) for event in found] == payloads


def test_what_an_event_says_itself_is_not_replaced(sandbox: Sandbox, tap: Tap) -> None:
    wanted = expected_records(sandbox.world, "events")
    of_this_event = {"applicationSlug": "shop", "new": [1]}
    own = [("mine", of_this_event), ("mine", None), (None, of_this_event), (7, 1.5)]
    for number, (kind, metadata) in enumerate(own):
        named = {"eventType": kind, "metadata": metadata}
        sandbox.world.items("events")[number].update(named)
        wanted[number] |= {name: value for name, value in named.items() if value is not None}
    assert tap(sandbox.config()).records("events") == wanted


class TestDerivedKeys:
    """Events under contracts before 0.6.0 have no `id`."""

    def test_the_same_on_every_export(self, start: Start, tap: Tap) -> None:
        sandbox = start(ids=False)
        first = tap(sandbox.config())
        again = tap(sandbox.config(page_size=13))
        ids = [event["id"] for event in first.records("events")]
        assert len(set(ids)) == len(ids) == len(sandbox.world.items("events"))
        assert {uuid.UUID(name).version for name in ids} == {5}
        assert ids == [event["id"] for event in again.records("events")]
        assert first.stderr.count("records without `id`") == 1
        log = sandbox.world.logs["events"]
        log.entries = [json.loads(json.dumps(entry, sort_keys=True)) for entry in log.entries]
        sorted_ = tap(sandbox.config()).records("events")
        assert ids == [event["id"] for event in sorted_]  # the order of properties is no part of it

    def test_the_same_in_every_version(self, sandbox: Sandbox, tap: Tap) -> None:
        """Another key for the same event would double it in a warehouse."""
        event = (
            b'{"sessionId":"s","userId":"u","timestamp":1767225600664,"context":null,'
            b'"payload":{"@type":"orderPlaced","order":{"total":%b}}}'
        )
        known = {
            b"1.10": "bb4964e8-de42-5e1a-9d41-5806ccea6d24",
            b"1E5": "2be2db3c-5cec-5cdf-88c3-53e46a630cd7",
            b"12345678901234567890": "a1d75de8-0f6b-57a9-aa4d-a2c75ebe9264",
            b"0.12345678901234567890": "4d873045-6704-5b4d-8abd-f3e30473ef9b",
        }
        serve(sandbox, b'{"items":[%b]}' % b",".join(event % amount for amount in known))
        found = tap(sandbox.config()).records("events")
        assert [event["id"] for event in found] == [*known.values()]

    def test_missing_null_and_empty_are_the_same(self, sandbox: Sandbox, tap: Tap) -> None:
        event = sandbox.world.items("events")[0]
        del event["id"]
        forms = [event, {**event, "id": None}, {**event, "id": ""}, {"id": None, **event}]
        sandbox.world.logs["events"].entries[:] = [*forms, {**event, "userId": "another"}]
        for stream, key in (("sessions", "sessionId"), ("users", "userId")):
            for item, value in zip(sandbox.world.items(stream), (None, ""), strict=False):
                item[key] = value
        output = tap(sandbox.config())
        ids = [found["id"] for found in output.records("events")]
        assert len(ids) == 5
        assert len(set(ids[:4])) == 1
        assert ids[4] != ids[0]
        for stream, key in (("sessions", "sessionId"), ("users", "userId")):
            derived = [record[key] for record in output.records(stream)[:2]]
            assert [uuid.UUID(name).version for name in derived] == [5, 5]


# What is hard to decode


def test_numbers_keep_their_value(sandbox: Sandbox, tap: Tap) -> None:
    numbers = ["59.90", "12345678901234567890", "123456789012345678901234567890"]
    numbers += ["1E-7", "1E+400", "0.1234567890123456789", "-0.0"]
    body = b'{"items":[{"id":"1","timestamp":0,"payload":{"details":[%b]}}]}'
    serve(sandbox, body % ",".join(numbers).encode())
    output = tap(sandbox.config())
    (line,) = [x for x in output.stdout.splitlines() if '"RECORD","stream":"events"' in x]
    record = json.loads(line, parse_float=str, parse_int=str)["record"]
    found = [number.upper().replace("E-07", "E-7") for number in record["payload"]["details"]]
    assert found == numbers


@pytest.mark.parametrize("number", ["1" * 5000, "1e9999999999999999999"])
@pytest.mark.parametrize("settings", [{}, {"stream_maps": {"users": {"x": "customAttributes"}}}])
def test_a_number_beyond_every_type(
    sandbox: Sandbox, tap: Tap, number: str, settings: Json
) -> None:
    """One record must not stop the pipeline every night."""
    items = sandbox.world.items("users")[:3]
    items[1]["customAttributes"] = {"n": "HERE"}
    body = json.dumps({"items": items}).replace('"HERE"', number)
    serve(sandbox, body.encode(), stream="users")
    output = tap(sandbox.config(**settings))
    lines = [x for x in output.stdout.splitlines() if '"RECORD","stream":"users"' in x]
    assert len(lines) == 3
    assert number.upper() in lines[1].upper().replace("E+", "E")


def test_unpaired_surrogates(sandbox: Sandbox, tap: Tap) -> None:
    payload = {"@type": "eventOccurred", "name": "\ud83d \\ud83d 😀"}
    serve(sandbox, {"items": [{**sandbox.world.items("events")[0], "payload": payload}]})
    output = tap(sandbox.config())
    assert output.records("events")[0]["payload"]["name"] == "\ufffd \\ud83d 😀"
    assert len(output.warnings) == 1


PATHS: dict[str, Json] = {
    "plain": {},
    "mapped": {"stream_maps": {"events": {"added": "'yes' if payload else 'no'"}}},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 9},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("levels", [150, 700, 950, 1100, 100_000])
def test_nesting(sandbox: Sandbox, tap: Tap, levels: int, path: str) -> None:
    """It is exported, or the error names its page: it never ends in a bare Python exception."""
    deep = '{"a":[' * (levels // 2) + "]}" * (levels // 2)
    items = sandbox.world.items("events")[:4]
    items[3]["payload"] = {"@type": "eventOccurred", "name": "x", "details": "HERE"}
    pages = [{"items": items[:2], "nextCursor": "a"}, {"items": items[2:], "nextCursor": None}]
    serve(sandbox, *(json.dumps(page).replace('"HERE"', deep).encode() for page in pages))
    output = tap(sandbox.config(**PATHS[path]), code=None)
    if output.code == 0:
        assert deep in output.stdout.replace("\\", "")
    else:
        assert levels >= 900  # how deep a parser goes depends on the interpreter
        assert "events: page 2: " in output.last_line
        assert output.counts()["events"] == 2
        assert output.state["bookmarks"]["events"]["cursor"] == "a"


class TestWhatTheSchemaDoesNotKnow:
    """One warning a run lists it, and the values still go out."""

    @pytest.mark.parametrize("page_size", [1000, 5])
    def test_listed_once(self, sandbox: Sandbox, tap: Tap, page_size: int) -> None:
        for number, event in enumerate(sandbox.world.items("events")):
            if event["payload"]["@type"] == "productViewed":
                event["payload"]["product"]["weight"] = 2.5
            if event["payload"]["@type"] == "tabOpened":
                event["context"]["screen"] = {"dpi": 96}
            if number == 10:
                event["payload"] = {"@type": "giftWrapped", "paper": "blue"}
        session = sandbox.world.items("sessions")[3]
        session |= {"mood": "good", "additionalProperties": {"of its own": 1}}
        sandbox.world.items("users")[0]["address"] = {"street": "x", "floor": 3}
        output = tap(sandbox.config(page_size=page_size))
        for stream in STREAMS:
            wanted = expected_records(sandbox.world, stream)
            for record in wanted:
                if "mood" in record:
                    record["additionalProperties"]["mood"] = record.pop("mood")
            assert output.records(stream) == wanted
        (warning,) = [line for line in output.stderr.splitlines() if "schemas do not know" in line]
        assert warning.split(": ", 1)[1].split(", ") == [
            "event type giftWrapped",
            "events.context.screen",
            "events.payload.paper",
            "events.payload.product.weight",
            "sessions.mood",
            "users.address.floor",
        ]

    def test_free_keys_are_not_listed(self, sandbox: Sandbox, tap: Tap) -> None:
        sandbox.world.items("events")[3]["payload"]["new"] = {"jane.doe@mail.example": {"x": 1}}
        sandbox.world.items("events")[4]["payload"] = {"@type": {"email": "jane.doe@mail.example"}}
        (warning,) = tap(sandbox.config(**PATHS["flattened"])).warnings
        assert warning.endswith(": event type that is not text, events.payload.new")

    def test_a_long_list_is_cut(self, sandbox: Sandbox, tap: Tap) -> None:
        user = sandbox.world.items("users")[0]
        user.update({f"new{number:04}\n\x1b{'x' * 500}": 1 for number in range(5000)})
        (warning,) = tap(sandbox.config()).warnings
        assert r"new0000\n\x1bxxx" in warning
        assert warning.endswith("and 4,950 more")
        assert len(warning) < 10_000

    @pytest.mark.parametrize("name", ["new", "address__floor"])
    def test_a_property_of_that_very_name(self, sandbox: Sandbox, tap: Tap, name: str) -> None:
        """Flattened, as well, where the property may be one without a column of its own."""
        flattened = {"flattening_enabled": True, "flattening_max_depth": 2}
        config = sandbox.config(**flattened if name == "address__floor" else {})
        for own, lands in (
            (None, {name: 1}),
            ({"old": 2}, {"old": 2, name: 1}),
            ({name: 2}, {"additionalProperties": {name: 2}, name: 1}),
            ("a text", {"additionalProperties": "a text", name: 1}),
        ):
            user = sandbox.world.items("users")[0]
            user.update({"additionalProperties": own, "address": {"city": "Oslo"}})
            (user["address"] if name == "address__floor" else user)[
                name.removeprefix("address__")
            ] = 1
            found = tap(config).records("users")[0]["additionalProperties"]
            assert (json.loads(found) if isinstance(found, str) else found) == lands

    def test_it_lands_with_the_catalog_of_an_older_version(
        self, sandbox: Sandbox, tap: Tap, catalog: Json
    ) -> None:
        for entry in catalog["streams"]:
            del entry["schema"]["properties"]["additionalProperties"]
            entry["metadata"] = [
                m for m in entry["metadata"] if m["breadcrumb"][1:] != ["additionalProperties"]
            ]
        sandbox.world.items("sessions")[3]["mood"] = "good"
        output = tap(sandbox.config(), catalog=catalog)
        assert output.records("sessions")[3]["additionalProperties"] == {"mood": "good"}
        (schema,) = [m["schema"] for m in output.of("SCHEMA") if m["stream"] == "sessions"]
        assert "additionalProperties" in schema["properties"]


# What `--discover` prints: the users' reference of what the contract names

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
