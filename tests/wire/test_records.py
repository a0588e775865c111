"""Every record arrives, once, with every value."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import STREAMS, expected_records, moment
from dev.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output
    from dev.sandbox import Sandbox


@pytest.mark.parametrize("page_size", [1000, 7])
def test_every_value_as_described(
    sandbox: Sandbox, tap: Callable[..., Output], page_size: int
) -> None:
    output = tap(sandbox.config(page_size=page_size))
    assert output.code == 0, output.stderr
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)
    types = {record["eventType"] for record in output.records("events")}
    assert len(types) == 26


def edit(sandbox: Sandbox, stream: str, index: int, **values: Any) -> dict[str, Any]:
    entry = sandbox.world.logs[stream].entries[index]
    assert entry is not None
    entry.update(values)
    return entry


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (1767225600664, "2026-01-01T00:00:00.664Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-3_786_825_600_000, "1850-01-01T00:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (-62_135_596_800_001, None),
        (253_402_300_800_000, None),
        (10**30, None),
        (None, None),
        ("1815-12-10", "1815-12-10"),
        (True, True),
        (1.5, None),
        (1e30, None),
        (-125.0, "1969-12-31T23:59:59.875Z"),
    ],
)
def test_times(sandbox: Sandbox, tap: Callable[..., Output], ms: object, text: object) -> None:
    edit(sandbox, "users", 0, birthDate=ms)
    edit(sandbox, "users", 1, birthDate=ms)
    output = tap(sandbox.config())
    assert [user["birthDate"] for user in output.records("users")[:2]] == [text, text]
    lost = isinstance(ms, (int, float)) and text is None
    assert output.stderr.count("not a time from year 1 to 9999") == lost


def test_a_time_that_no_calendar_has_is_no_bookmark(
    sandbox: Sandbox, tap: Callable[..., Output]
) -> None:
    edit(sandbox, "events", 3, timestamp=10**17)
    latest = max(item["timestamp"] for item in sandbox.world.items("events")[:3])
    sandbox.world.logs["events"].entries = sandbox.world.logs["events"].entries[:4]
    output = tap(sandbox.config())
    assert output.records("events")[3]["timestamp"] is None
    assert output.state["bookmarks"]["events"]["replication_key_value"] == moment(latest)


def test_lists_that_were_strings(sandbox: Sandbox, tap: Callable[..., Output]) -> None:
    edit(sandbox, "users", 0, activities="climbing", interests="")
    edit(sandbox, "users", 1, activities=["a", "b"], interests=None)
    first, second = tap(sandbox.config()).records("users")[:2]
    assert (first["activities"], first["interests"]) == (["climbing"], [""])
    assert (second["activities"], second["interests"]) == (["a", "b"], None)


def test_the_old_name_of_the_type(sandbox: Sandbox, tap: Callable[..., Output]) -> None:
    edit(sandbox, "events", 0, payload={"type": "tabOpened", "tabId": "1"})
    edit(sandbox, "events", 1, payload={"@type": "tabOpened", "type": "other"})
    edit(sandbox, "events", 2, payload={})
    edit(sandbox, "events", 3, payload=None)
    output = tap(sandbox.config())
    events = output.records("events")
    assert [e["eventType"] for e in events[:4]] == ["tabOpened", "tabOpened", None, None]
    assert events[0]["payload"] == {"type": "tabOpened", "tabId": "1"}


def test_what_an_event_says_itself_is_not_replaced(
    sandbox: Sandbox, tap: Callable[..., Output]
) -> None:
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

    def test_the_same_on_every_export(
        self, start: Callable[..., Sandbox], tap: Callable[..., Output]
    ) -> None:
        sandbox = start(ids=False)
        first = tap(sandbox.config(), TAP_CROCT_LOGLEVEL="INFO")
        again = tap(sandbox.config(page_size=13))
        ids = [event["id"] for event in first.records("events")]
        assert ids == [event["id"] for event in again.records("events")]
        assert len(set(ids)) == len(ids) == len(sandbox.world.items("events"))
        assert {uuid.UUID(name).version for name in ids} == {5}
        assert first.stderr.count("records without `id`") == 1
        for event, item in zip(first.records("events"), sandbox.world.items("events"), strict=True):
            assert event["payload"] == item["payload"]

    def test_the_order_of_properties_does_not_matter(
        self, start: Callable[..., Sandbox], tap: Callable[..., Output]
    ) -> None:
        sandbox = start(ids=False)
        before = [event["id"] for event in tap(sandbox.config()).records("events")]
        log = sandbox.world.logs["events"]
        log.entries = [json.loads(json.dumps(entry, sort_keys=True)) for entry in log.entries]
        assert [event["id"] for event in tap(sandbox.config()).records("events")] == before

    def test_missing_null_and_empty_are_the_same(
        self, sandbox: Sandbox, tap: Callable[..., Output]
    ) -> None:
        event = sandbox.world.items("events")[0]
        del event["id"]
        forms = [event, {**event, "id": None}, {**event, "id": ""}, {"id": None, **event}]
        sandbox.world.logs["events"].entries[:] = [*forms, {**event, "userId": "another"}]
        ids = [found["id"] for found in tap(sandbox.config()).records("events")]
        assert len(ids) == 5
        assert len(set(ids[:4])) == 1
        assert ids[4] != ids[0]

    @pytest.mark.parametrize(("stream", "key"), [("sessions", "sessionId"), ("users", "userId")])
    @pytest.mark.parametrize("value", [None, ""])
    def test_in_other_streams(
        self, sandbox: Sandbox, tap: Callable[..., Output], stream: str, key: str, value: object
    ) -> None:
        edit(sandbox, stream, 0, **{key: value})
        assert uuid.UUID(tap(sandbox.config()).records(stream)[0][key]).version == 5


def test_numbers_keep_their_value(sandbox: Sandbox, tap: Callable[..., Output]) -> None:
    body = (
        b'{"items":[{"id":"1","sessionId":"s","userId":"u","timestamp":1767225600664,'
        b'"context":null,"payload":{"@type":"eventOccurred","name":"n","details":'
        b'{"a":59.90,"b":12345678901234567890,"c":1e-7,"d":1E400,"e":0.1234567890123456789,'
        b'"f":-0.0,"g":123456789012345678901234567890}}%s}]}'
    )
    for extra in (b"", b',"new":1'):  # as it came, and decoded
        sandbox.faults = [Fault(status=200, body=body % extra)]
        line = next(line for line in tap(sandbox.config()).stdout.splitlines() if "RECORD" in line)
        details = json.loads(line, parse_float=str)["record"]["payload"]["details"]
        assert float(details["a"]) == 59.9
        assert (details["b"], details["g"]) == (
            12345678901234567890,
            123456789012345678901234567890,
        )
        assert details["c"].lower() in {"1e-7", "1e-07"}
        assert details["d"].upper() in {"1E400", "1E+400"}
        assert (details["e"], details["f"]) == ("0.1234567890123456789", "-0.0")


@pytest.mark.parametrize("indent", [1, 4])
def test_an_indented_body_gives_whole_lines(
    start: Callable[..., Sandbox], tap: Callable[..., Output], indent: int
) -> None:
    sandbox = start(indent=indent)
    output = tap(sandbox.config())
    assert output.records("events") == expected_records(sandbox.world, "events")


@pytest.mark.parametrize("extra", [{}, {"new": 1}])  # as it came, and decoded
def test_half_a_surrogate_pair(
    sandbox: Sandbox, tap: Callable[..., Output], extra: dict[str, Any]
) -> None:
    payload = {"@type": "eventOccurred", "name": "\ud83d \\ud83d 😀"}
    item = {**sandbox.world.items("events")[0], "payload": payload, **extra}
    sandbox.faults = [Fault(status=200, body=json.dumps({"items": [item]}).encode())]
    output = tap(sandbox.config())
    assert output.records("events")[0]["payload"]["name"] == "\ufffd \\ud83d 😀"
    assert output.stderr.count("unpaired surrogates") == 1


class TestWhatTheSchemaDoesNotKnow:
    """One warning a run lists it, and the values still go out."""

    @pytest.mark.parametrize("page_size", [1000, 5])
    def test_listed_once(
        self, sandbox: Sandbox, tap: Callable[..., Output], page_size: int
    ) -> None:
        for number, event in enumerate(sandbox.world.logs["events"].entries):
            assert event is not None
            if event["payload"]["@type"] == "productViewed":
                event["payload"]["product"]["weight"] = 2.5
            if event["payload"]["@type"] == "tabOpened":
                event["context"]["screen"] = {"dpi": 96}
            if number == 10:
                event["payload"] = {"@type": "giftWrapped", "paper": "blue"}
        edit(sandbox, "sessions", 3, mood="good")
        edit(sandbox, "users", 0, address={"street": "x", "floor": 3})
        output = tap(sandbox.config(page_size=page_size))
        for stream in STREAMS:
            wanted = expected_records(sandbox.world, stream)
            for record in wanted:
                if "mood" in record:
                    record["additionalProperties"] = {"mood": record.pop("mood")}
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

    @pytest.mark.parametrize(
        ("own", "lands"),
        [
            (None, {"new": 1}),
            ({"old": 2}, {"old": 2, "new": 1}),
            ({"new": 2}, {"additionalProperties": {"new": 2}, "new": 1}),
            ("a text", {"additionalProperties": "a text", "new": 1}),
        ],
        ids=str,
    )
    def test_a_property_of_that_very_name(
        self, sandbox: Sandbox, tap: Callable[..., Output], own: object, lands: dict[str, object]
    ) -> None:
        sandbox.world.items("users")[0].update({"additionalProperties": own, "new": 1})
        assert tap(sandbox.config()).records("users")[0]["additionalProperties"] == lands

    @pytest.mark.parametrize(
        ("own", "lands"),
        [
            (None, {"address__floor": 3}),
            ({"old": 2}, {"old": 2, "address__floor": 3}),
            (
                {"address__floor": 2},
                {"additionalProperties": {"address__floor": 2}, "address__floor": 3},
            ),
            ("a text", {"additionalProperties": "a text", "address__floor": 3}),
        ],
        ids=str,
    )
    def test_a_property_of_that_very_name_when_flattened(
        self, sandbox: Sandbox, tap: Callable[..., Output], own: object, lands: dict[str, object]
    ) -> None:
        user = sandbox.world.items("users")[0]
        user.update({"additionalProperties": own, "address": {"city": "Oslo", "floor": 3}})
        config = sandbox.config(flattening_enabled=True, flattening_max_depth=2)
        record = tap(config).records("users")[0]
        assert json.loads(record["additionalProperties"]) == lands
        assert record["address__city"] == "Oslo"

    def test_it_lands_with_the_catalog_of_an_older_version(
        self, sandbox: Sandbox, tap: Callable[..., Output]
    ) -> None:
        catalog = json.loads(tap(None, "--discover").stdout)
        for entry in catalog["streams"]:
            del entry["schema"]["properties"]["additionalProperties"]
            entry["metadata"] = [
                m for m in entry["metadata"] if m["breadcrumb"][1:] != ["additionalProperties"]
            ]
        edit(sandbox, "sessions", 3, mood="good")
        output = tap(sandbox.config(), catalog=catalog)
        assert output.records("sessions")[3]["additionalProperties"] == {"mood": "good"}
        (schema,) = [m["schema"] for m in output.of("SCHEMA") if m["stream"] == "sessions"]
        assert "additionalProperties" in schema["properties"]

    def test_nothing_of_what_it_knows(self, sandbox: Sandbox, tap: Callable[..., Output]) -> None:
        edit(sandbox, "events", 0, payload={"type": "tabOpened", "tabId": "1"})
        assert tap(sandbox.config()).warnings == []
