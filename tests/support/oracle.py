"""The SDK's own way with records, to compare the tap's output with.

`Reference` is a tap as the SDK's documentation describes one: streams whose `get_records` yields
the records, everything else left to the SDK. This is also the one place that knows where the tap
means to differ from it: what has no column moves into the column `additionalProperties`, flattened
under the name that its column would have; and flattened objects that are null are left out.
"""

import contextlib
import copy
import io
import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from hypothesis import strategies as st
from singer_sdk import Stream, Tap
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter
from singer_sdk.singerlib.json import serialize_json

from dev.expected import KEYS, STREAMS, expected
from dev.running import Output
from dev.sandbox import World
from dev.warehouse import SCHEMAS
from tap_croct.tap import TapCroct

Json = dict[str, Any]

ADDITIONAL = "additionalProperties"


# The reference


class _ReferenceStream(Stream):
    """A stream that yields finished records; the SDK does the rest."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    _tap: "Reference"

    def get_records(self, context: object) -> Iterator[Json]:
        del context
        columns = {**SCHEMAS[self.name]["properties"], **self.schema["properties"]}
        for item in copy.deepcopy(self._tap.items):
            yield _settled(expected(self.name, item), columns)

    def _increment_stream_state(self, *args: object, **kwargs: object) -> None:
        """Keep no bookmark: it fails where the replication key is missing."""


class Reference(Tap):
    """The tap as the SDK would have it, with records instead of requests."""

    name = "tap-reference"
    config_jsonschema: ClassVar[Json] = {"properties": {}}

    def __init__(self, items: list[Json], **kwargs: Any) -> None:
        """Create it.

        Args:
            items: What the API has of its only stream.
            kwargs: See `singer_sdk.Tap`.
        """
        self._entries = kwargs["catalog"]["streams"]
        self.items = items
        super().__init__(**kwargs)

    def discover_streams(self) -> list[Stream]:
        streams: list[Stream] = []
        for entry in self._entries:
            stream = _ReferenceStream(self, entry["schema"], entry["tap_stream_id"])
            stream.primary_keys = entry["key_properties"]
            stream.replication_key = entry["replication_key"]
            streams.append(stream)
        return streams


def reference_output(config: Json, catalog: Json, items: list[Json]) -> Output:
    """Run the reference.

    Args:
        config: Stream maps and flattening.
        catalog: The catalog that it is given, with one stream.
        items: What the API has of that stream.
    """
    given = copy.deepcopy({"config": config, "catalog": catalog})
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            Reference(items, **given, message_writer=SimpleSingerWriter()).sync_all()
    finally:
        logging.disable(logging.NOTSET)
    return Output(0, stdout.getvalue(), "")


# Both compared


def differences(reference: Output, tap: Output, *, flattened: bool) -> list[str]:
    """Return how the tap's output differs from the reference's, a line for each difference.

    Args:
        reference: What the reference gave.
        tap: What the tap gave.
        flattened: Whether records are flattened.
    """
    found = []
    schemas, own = ({m["stream"]: m for m in out.of("SCHEMA")} for out in (reference, tap))
    if schemas != own:
        found.append(f"schemas:\n  reference {schemas}\n  tap       {own}")
    for name, schema in schemas.items():
        columns = schema["schema"]["properties"]
        wanted = [
            _comparable_record(_settled(record, columns, flattened=flattened), flattened)
            for record in reference.records(name)
        ]
        got = [_comparable_record(record, flattened) for record in tap.records(name)]
        if len(wanted) != len(got):
            found.append(f"{name}: {len(wanted)} records of the reference, {len(got)} of the tap")
        for one, other in zip(wanted, got, strict=False):
            different = [key for key in {**one, **other} if one.get(key) != other.get(key)]
            found += [f"{name}, {key}: {one.get(key)}, tap {other.get(key)}" for key in different]
    return found


def _settled(record: Json, columns: Json, *, flattened: bool = False) -> Json:
    """Return a record with what has no column in `additionalProperties`."""
    kept = {name: value for name, value in record.items() if name in columns}
    others = {name: value for name, value in record.items() if name not in columns}
    if flattened:
        others = {name: value for name, value in others.items() if value is not None}
    if others and ADDITIONAL in columns:
        before = _decoded(kept.get(ADDITIONAL)) or {}
        kept[ADDITIONAL] = {**before, **others}
        if flattened:
            kept[ADDITIONAL] = serialize_json(kept[ADDITIONAL])
    return kept


def _decoded(value: Any) -> Any:
    """Return the JSON that a text holds, as flattening makes them; anything else as it is."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def _comparable_record(record: Json, flattened: bool) -> Json:  # noqa: FBT001 - private
    """Return a record to compare; flattened, objects and lists in it have to be texts."""
    return {
        name: (type(value), _comparable(value, texts=flattened))
        for name, value in record.items()
        if not (name == ADDITIONAL and value is None)  # the same as being missing
    }


def _comparable(value: Any, *, texts: bool) -> Any:
    """Return a value that is equal to another only if kind and value of everything in it are.

    An integer is never a fraction (1 is not 1.0), and true is not 1. The order of properties does
    not matter. Texts that hold JSON can be compared as what they hold: escapes are the encoder's
    choice.
    """
    value = _decoded(value) if texts else value
    if isinstance(value, dict):
        return {name: _comparable(child, texts=texts) for name, child in value.items()}
    if isinstance(value, list):
        return [_comparable(child, texts=texts) for child in value]
    return (type(value).__name__, value)


# What both are tried with: strategies for hypothesis. Selection, stream maps and flattening are
# drawn; the items are always the same: one of each kind, with odd properties at every depth.

# Items

NAMES = ["new", "giftWrap", "ü.x", "x__y", "_", "record", "x" * 80, "self"]
VALUES: list[Any] = [
    *(None, "", "text", '{"', "1.50", 7, True, 1.25, 2**70, {}, {"a": {"b": {"c": 1}}}),
    *([], [1, {"b": None}], "\x00\u2028😀", False),
]
CONVERTED = {
    *("id", "sessionId", "userId", "timestamp", "closeTime", "lastModifiedTime", "birthDate"),
    *("window", "payload", "activities", "interests", "@type"),
}
"""What the tap converts: tests of their own show how."""


@cache
def odd_items(stream: str) -> list[Json]:
    """Return an item of each kind, with properties added, replaced and missing, at every depth."""
    kinds: dict[object, Json] = {}
    for number, item in enumerate(World(seed=5, visits=40).items(stream)):
        kinds.setdefault(item["payload"]["@type"] if stream == "events" else number % 20, item)
    names, values = itertools.cycle(NAMES), itertools.cycle(VALUES)
    items = copy.deepcopy([*kinds.values()])
    for holder in (holder for item in items[1:] for holder in objects_in(item)):
        there = sorted(holder.keys() - CONVERTED)
        for name in (next(names), *there[::4]):
            holder[name] = copy.deepcopy(next(values))
        for name in there[1::5]:
            del holder[name]
    return items


def objects_in(item: Json) -> list[Json]:
    """Return an item and the objects in it that are not converted."""
    children = [child for name, child in item.items() if name != "window"]
    return [item, *(o for c in children if isinstance(c, dict) for o in objects_in(c))]


# Stream maps; none fails on any item

EXPRESSIONS = {
    "events": ["_.get('payload')", "str(timestamp)", "_.get('metadata')"],
    "sessions": ["str(_.get('window'))", "_.get('location')", "_.get('referrer')"],
    "users": ["sha256(str(_.get('email')))", "_.get('interests')", "bool(_.get('statistics'))"],
}
CHANGES = [None, "__NULL__", "1.5", "sha256(config['salt'] + str(_.get('userId')))"]
FILTERS = {"events": "_.get('eventType') != 'pageOpened'", "sessions": "_.get('referrer')",
           "users": "_.get('email')"}  # fmt: skip


@st.composite
def maps_of(draw: st.DrawFn, entry: Json) -> Json:
    """A stream's map, without expressions for a property that it does not have."""
    stream = entry["tap_stream_id"]
    others = [name for name in entry["schema"]["properties"] if name not in _kept(entry)]
    pool = st.sampled_from(EXPRESSIONS[stream])
    changed = st.sampled_from(CHANGES) | pool
    more = [{"__filter__": FILTERS[stream]}, {"__else__": None, KEYS[stream]: KEYS[stream]}, {}]
    drawn = {
        **draw(st.dictionaries(st.sampled_from(others), changed, max_size=3)),
        **draw(st.dictionaries(st.just("added"), pool)),
        **draw(st.sampled_from(more)),
    }
    # What is removed comes last, where the tap puts it: expressions before it find its type.
    return dict(sorted(drawn.items(), key=lambda item: item[1] in (None, "__NULL__")))


# Settings and catalogs

CHANGED_METADATA: list[Json | None] = [
    *[{"selected": False}] * 4,
    *({"selected": True}, None, {"inclusion": "unsupported"}),
    *({"selected-by-default": False}, {"selected-by-default": True}),
]


@dataclass
class Case:
    """What a run is made with; hypothesis prints it when the outcomes differ."""

    config: Json
    entry: Json
    """The stream's entry in the catalog, with changes to what is selected."""

    def __repr__(self) -> str:
        """Leave out the schema, which is long, and what is as it was discovered."""
        stream = self.entry["tap_stream_id"]
        discovered = entries()[stream]["metadata"]
        changed = [item for item in self.entry["metadata"] if item not in discovered]
        return f"Case({self.config}, {stream}: {changed})"


@cache
def entries() -> dict[str, Json]:
    """Return the entries of the catalog that the tap discovers, by stream; not to be changed."""
    catalog = TapCroct(config={"api_key": "k"}).catalog_dict
    return {entry["tap_stream_id"]: json.loads(json.dumps(entry)) for entry in catalog["streams"]}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Cases of all kinds."""
    stream = draw(st.sampled_from(["events", *STREAMS]))
    entry = copy.deepcopy(entries()[stream])
    if draw(st.integers(0, 5)) == 0:
        properties = entry["schema"]["properties"]
        del properties[draw(st.sampled_from(sorted(properties.keys() - _kept(entry))))]
        kind = draw(st.sampled_from(["string", "object", "array"]))
        properties["giftWrap"] = {"type": [kind, "null"]}
    config: Json = {}
    if draw(st.booleans()):
        config["stream_maps"] = {stream: draw(maps_of(entry))}
        if draw(st.booleans()):
            config["stream_maps"]["copies"] = {"__source__": stream, **draw(maps_of(entry))}
        config["stream_map_config"] = {"salt": "pepper"}
    if draw(st.booleans()):
        config["flattening_enabled"] = True
        config["flattening_max_depth"] = draw(st.sampled_from([0, 1, 2, 3, 3, 4, 5]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_max_key_length"] = draw(st.sampled_from([25, 40, 127]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_separator"] = draw(st.sampled_from([".", "_", "-"]))
    config["page_size"] = draw(st.sampled_from([1, 7, 1000]))
    _select(draw, entry)
    return Case(config, entry)


def _kept(entry: Json) -> set[str]:
    """Return the properties that the tap keeps declared and selected."""
    return {KEYS[entry["tap_stream_id"]], entry["replication_key"], ADDITIONAL}


def _select(draw: st.DrawFn, entry: Json) -> None:
    """Select a stream, and change the metadata of its properties."""
    metadata = {tuple(found["breadcrumb"]): found["metadata"] for found in entry["metadata"]}
    known = [breadcrumb for breadcrumb in metadata if breadcrumb]
    objects = {breadcrumb[:-2] for breadcrumb in known if breadcrumb[:-2]}
    unknown = [(*breadcrumb, "properties", "new") for breadcrumb in sorted(objects)]
    for breadcrumb in draw(
        st.lists(st.sampled_from(known + known + unknown), max_size=8, unique=True)
    ):
        change = draw(st.sampled_from(CHANGED_METADATA))
        if change is None:
            metadata.pop(breadcrumb, None)
        elif "inclusion" not in change or breadcrumb[-1] not in _kept(entry):
            metadata[breadcrumb] = {**metadata.get(breadcrumb, {}), **change}
    metadata[()]["selected"] = True
    entry["metadata"] = [
        {"breadcrumb": list(breadcrumb), "metadata": found}
        for breadcrumb, found in metadata.items()
    ]
