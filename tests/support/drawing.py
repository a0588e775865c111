"""What the comparison with the SDK's own way is tried with: strategies for hypothesis."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st
from singer_sdk.singerlib.json import serialize_json

from dev.expected import KEYS, STREAMS
from dev.sandbox import World
from dev.sandbox.world import METADATA
from tap_croct.tap import TapCroct
from tests.support.oracle import ADDITIONAL, Json, Pages

# Items

NAMES = ["new", "giftWrap", "ü.x", "x__y", "_", "record", "x" * 80, "self"]
VALUES: list[Any] = [
    *(None, "", "text", '{"', "1.50", 7, True, Decimal("1.50"), Decimal("1E+400"), 2**70),
    *({}, {"a": {"b": {"c": 1}}}, [], [1, {"b": None}], "\x00\u2028😀"),
]
CONVERTED = {
    *("id", "sessionId", "userId", "timestamp", "closeTime", "lastModifiedTime", "birthDate"),
    *("window", "payload", "activities", "interests", "@type"),
}
"""What the tap converts: tests of their own show how."""


@cache
def ordinary(stream: str) -> list[list[Json]]:
    """Return a world's items; those of events by their type."""
    kinds: dict[str, list[Json]] = defaultdict(list)
    for item in World(seed=5, visits=40).items(stream):
        kinds[item["payload"]["@type"] if stream == "events" else ""].append(item)
    return [*kinds.values()]


def objects_in(item: Json) -> list[Json]:
    """Return an item and the objects in it that are not converted."""
    children = [child for name, child in item.items() if name != "window"]
    return [item, *(o for c in children if isinstance(c, dict) for o in objects_in(c))]


@st.composite
def items_of(draw: st.DrawFn, stream: str) -> Json:
    """Items as a shop has them, most with properties added, replaced or missing, at any depth."""
    kind = draw(st.sampled_from(ordinary(stream)))
    item = copy.deepcopy(draw(st.sampled_from(kind)))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 4]))):
        holder = draw(st.sampled_from(objects_in(item)))
        name = draw(st.sampled_from(NAMES + sorted(holder.keys() - CONVERTED)))
        if draw(st.integers(0, 2)):
            holder[name] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        else:
            holder.pop(name, None)
    return item


# Stream maps

EXPRESSIONS = {
    "events": ["payload.get('cart')", "payload", "str(timestamp)", "metadata.get('workspaceSlug')"],
    "sessions": ["window['start'][:10]", "_.get('location')", "referrer", "window"],
    "users": ["sha256(email) if email else None", "interests", "address", "json.dumps(statistics)"],
}
CHANGES = [None, "__NULL__", "self", "sha256(config['salt'] + str(self))", "1.5"]
FILTERS = {"events": "eventType != 'pageOpened'", "sessions": "referrer", "users": "email"}


@st.composite
def maps_of(draw: st.DrawFn, stream: str, declared: list[str]) -> Json:
    """Stream maps of a stream, none of them for a property that it does not have."""
    others = [name for name in declared if name not in {KEYS[stream], ADDITIONAL}]
    pool = st.sampled_from([*EXPRESSIONS[stream], "record['userId']", "bool(_)", "None"])
    changed = st.sampled_from(CHANGES) | pool
    more: list[Json] = [
        {"__filter__": FILTERS[stream]},
        {"__else__": None, KEYS[stream]: KEYS[stream]},
        {"__key_properties__": []},
        {},
    ]
    drawn = {
        **draw(st.dictionaries(st.sampled_from(others), changed, max_size=3)),
        **draw(st.dictionaries(st.sampled_from(["added", "other"]), pool, max_size=2)),
        **draw(st.sampled_from(more)),
    }
    # What is removed comes last, where the tap puts it: expressions before it find its type.
    return dict(sorted(drawn.items(), key=lambda item: item[1] in (None, "__NULL__")))


@st.composite
def stream_maps(draw: st.DrawFn, stream: str, declared: list[str]) -> Json:
    """A setting `stream_maps`: one map of a stream or several."""
    maps = maps_of(stream, declared)
    name = draw(st.sampled_from([stream, f"{stream[:3]}*"]))
    alias = draw(st.sampled_from([{}, {}, {"__alias__": "'croct_' + __stream_name__"}]))
    result: Json = {name: {**draw(maps), **alias}}
    for copies in draw(st.sampled_from([[], [], ["copies"], ["copies", "more"]])):
        result[copies] = {"__source__": stream, **draw(maps)}
    others = {"__else__": None} if draw(st.integers(0, 9)) == 0 else {}
    return {**result, **others}


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
    selected: bool
    """Whether the selection of any property is changed."""

    entry: Json
    """The stream's entry in the catalog, with these changes."""

    items: list[Json]
    page_size: int

    @property
    def stream(self) -> str:
        """Name of the stream, the only one that is selected."""
        return str(self.entry["tap_stream_id"])

    def pages(self) -> Pages:
        """Return the bodies of the responses."""
        starts = range(0, len(self.items), self.page_size)
        bodies = [
            {
                "items": self.items[start : start + self.page_size],
                "nextCursor": str(start) if start + self.page_size < len(self.items) else None,
                **({"metadata": METADATA} if self.stream == "events" else {}),
            }
            for start in starts
        ]
        return {self.stream: [serialize_json(body, ensure_ascii=False).encode() for body in bodies]}


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
        declared = list(entry["schema"]["properties"])
        config["stream_maps"] = draw(stream_maps(stream, declared))
        config["stream_map_config"] = {"salt": "pepper"}
    if draw(st.booleans()):
        config["flattening_enabled"] = True
        config["flattening_max_depth"] = draw(st.sampled_from([0, 1, 2, 3, 3, 4, 5]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_max_key_length"] = draw(st.sampled_from([25, 40, 127]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_separator"] = draw(st.sampled_from([".", "_", "-"]))
    return Case(
        config,
        _select(draw, entry),
        entry,
        items=draw(st.lists(items_of(stream), min_size=1, max_size=6)),
        page_size=draw(st.sampled_from([1, 2, 1000])),
    )


def _kept(entry: Json) -> set[str]:
    """Return the properties that the tap keeps declared and selected."""
    return {KEYS[entry["tap_stream_id"]], entry["replication_key"], ADDITIONAL}


def _select(draw: st.DrawFn, entry: Json) -> bool:
    """Select a stream, and change the metadata of its properties; tell whether any was."""
    metadata = {tuple(found["breadcrumb"]): found["metadata"] for found in entry["metadata"]}
    known = [breadcrumb for breadcrumb in metadata if breadcrumb]
    objects = {breadcrumb[:-2] for breadcrumb in known if breadcrumb[:-2]}
    unknown = [(*breadcrumb, "properties", "new") for breadcrumb in sorted(objects)]
    changed = draw(st.lists(st.sampled_from(known + known + unknown), max_size=8, unique=True))
    for breadcrumb in changed:
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
    return bool(changed)
