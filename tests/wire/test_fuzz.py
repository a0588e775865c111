"""Records as no contract foresees them: what comes out has every value, one line a message."""

from __future__ import annotations

import contextlib
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.expected import KEYS, ORDERS, STREAMS
from dev.sandbox import Fault, Sandbox, World
from dev.sandbox.world import METADATA
from tap_croct import schemas
from tap_croct.tap import TapCroct
from tests.support.converted import SCHEMAS, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PATHS = {"events": "/events", "sessions": "/session", "users": "/user"}

text = st.text(st.characters(codec="utf-8"))  # every plane, controls, separators of lines
numbers = (
    st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1e-7, 5e-324, 1.7976931348623157e308, -0.0, 59.90, 12345678901234567890])
)
scalars = st.none() | st.booleans() | numbers | text
anything = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=12,
)


def deep(levels: int) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"deeper": value}
    return value


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values as a schema has them, with null in every place and types that drift."""
    kinds = schema.get("type", ["string"])
    strategies: list[st.SearchStrategy[Any]] = [st.none(), anything]
    if "properties" in schema:
        known = {name: of_schema(prop) for name, prop in schema["properties"].items()}
        usual: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional=known)
        strategies += [usual] * 6
    elif "object" in kinds:
        strategies += [st.dictionaries(text, anything, max_size=4)] * 4
    elif "array" in kinds:
        strategies += [st.lists(of_schema(schema["items"]), max_size=3)] * 4
    elif "integer" in kinds:
        strategies += [st.integers()] * 4
    elif "number" in kinds:
        strategies += [numbers] * 4
    else:
        strategies += [text] * 4
    return st.one_of(*strategies)


def items_of(stream: str) -> st.SearchStrategy[dict[str, Any]]:
    schema = SCHEMAS[stream]
    fields = {name: of_schema(prop) for name, prop in schema["properties"].items()}
    times = st.integers(-(10**15), 10**15) | st.integers(1_700_000_000_000, 1_800_000_000_000)
    fields[ORDERS[stream]] = times | scalars
    fields[KEYS[stream]] = st.text(min_size=1) | text | st.none()
    if stream == "events":
        # mostly of the usual shape: that is what passes undecoded
        fields["payload"] = fields["payload"] | st.sampled_from(schemas.EVENT_TYPES).flatmap(
            lambda kind: st.fixed_dictionaries({"@type": st.just(kind)}, optional={"x": anything})
        )
    return st.fixed_dictionaries({}, optional=fields) | st.fixed_dictionaries(fields)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with Sandbox(World(visits=0)) as sandbox:
        yield sandbox


def export(sandbox: Sandbox, **config: Any) -> bytes:
    """Run the tap in this process: a process each would make a thousand examples take minutes."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out):
        TapCroct(config=sandbox.config(max_retries=0, **config)).sync_all()
    written: bytes = out.buffer.getvalue()
    return written


def exactly(line: bytes) -> Any:
    return json.loads(line, parse_float=Decimal, parse_int=Decimal)


def normal(value: Any) -> Any:
    """Return a value that compares as the warehouse would: by value, not by notation."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: normal(child) for name, child in value.items()}
    if isinstance(value, list):
        return [normal(child) for child in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value


def wanted(stream: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return what the record of an item should be."""
    given = json.loads(json.dumps(item), parse_float=Decimal)
    record: dict[str, Any] = normal(record_of(stream, given, METADATA, SCHEMAS[stream]))
    return record


@pytest.mark.slow
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("plain", [False, True])
def test_every_value_intact(served: Sandbox, stream: str, plain: bool) -> None:  # noqa: FBT001
    @given(items=st.lists(items_of(stream), min_size=1, max_size=3))
    def check(items: list[dict[str, Any]]) -> None:
        body: dict[str, Any] = {"items": items, "nextCursor": None}
        if stream == "events":
            body["metadata"] = METADATA
        answer = json.dumps(body, ensure_ascii=False).encode()
        served.faults = [Fault(status=200, body=answer, when=lambda r: r.stream == stream)]
        out = export(served, **({"stream_maps": {s: {} for s in STREAMS}} if plain else {}))
        assert out.endswith(b"\n")
        messages = [exactly(line) for line in out.split(b"\n")[:-1]]
        assert all(message["type"] in {"SCHEMA", "RECORD", "STATE"} for message in messages)
        records = [m["record"] for m in messages if m["type"] == "RECORD"]
        assert len(records) == len(items)
        for item, record in zip(items, records, strict=True):
            assert record == wanted(stream, item)

    check()


@pytest.mark.parametrize("plain", [False, True])
def test_deep_nesting(served: Sandbox, plain: bool) -> None:  # noqa: FBT001
    payload = {"@type": "eventOccurred", "name": "deep", "details": {"value": deep(150)}}
    item = {
        "id": "1", "sessionId": "s", "userId": "u", "timestamp": 0, "context": None,
        "payload": payload,
    }  # fmt: skip
    served.faults = [Fault(status=200, body=json.dumps({"items": [item]}).encode())]
    out = export(served, **({"stream_maps": {"events": {}}} if plain else {}))
    (record,) = [json.loads(line) for line in out.splitlines() if b'"RECORD"' in line]
    assert record["record"]["payload"] == payload
