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

Breadcrumb = tuple[str, ...]
Path = tuple[str | int, ...]


# Items

TEXTS = [
    "",
    "\x00",
    "a\u2028b",
    "\\ud83d",
    '"',
    "\\",
    "😀",
    "\x1b[31m",
    "{}",
    "[1,",
    "1.50",
    "null",
]
NUMBERS: list[Any] = [
    0, -1, 2**53 + 1, 12345678901234567890, -(10**40),
    *map(Decimal, ("1.50", "59.90", "1E-7", "0.1234567890123456789", "-0.0", "1E+400", "100.0")),
]  # fmt: skip
NAMES = ["new", "giftWrap", "a b", "ü.x", "x__y", "_", "record", "type", "x" * 80, "self", "id2"]
WRONG: list[Any] = ["text", 7, True, {}, {"a": {"b": {"c": 1}}}, [], [1, {"b": None}], [[]], "{"]
CONVERTED = {
    "id", "sessionId", "userId", "timestamp", "closeTime", "lastModifiedTime", "birthDate", "window",
    "payload", "activities", "interests",
}  # fmt: skip
"""What the tap converts: tests of their own show how."""

text = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.sampled_from(NUMBERS) | text
names = st.sampled_from(NAMES) | st.text(st.characters(codec="utf-8"), max_size=3)
anything = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=3),
    max_leaves=6,
)


@cache
def ordinary(stream: str) -> list[list[Json]]:
    """Return a world's items, by kind: events by their type."""
    kinds: dict[str, list[Json]] = defaultdict(list)
    for item in World(seed=5, visits=40).items(stream):
        kind = item["payload"]["@type"] if stream == "events" else str(item.get("email") is None)
        kinds[kind].append(item)
    return [items[:12] for items in kinds.values()]


def _places(value: Any, path: Path = ()) -> list[Path]:
    """Return the paths of all values in an object or a list."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[Path] = []
    for name, child in children:
        found.append((*path, name))
        if isinstance(child, (dict, list)):
            found += _places(child, (*path, name))
    return found


def _at(item: Json, path: Path) -> Any:
    found: Any = item
    for step in path:
        found = found[step]
    return found


@st.composite
def items_of(draw: st.DrawFn, stream: str) -> Json:
    """Items as a shop has them, most of them with something changed, anywhere in them."""
    kinds = ordinary(stream)
    kind = kinds[draw(st.integers(0, len(kinds) - 1))]
    item = copy.deepcopy(kind[draw(st.integers(0, len(kind) - 1))])
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 4]))):
        if draw(st.booleans()):
            paths = [path for path in _places(item) if path[0] != "window"]
            holders = [(), *(path for path in paths if isinstance(_at(item, path), dict))]
            _at(item, draw(st.sampled_from(holders)))[draw(names)] = draw(anything)
            continue
        places = [
            p for p in _places(item) if p[-1] != "@type" and not (p[0] in CONVERTED and len(p) < 3)
        ]
        if not places:
            continue
        *parents, name = draw(st.sampled_from(places))
        holder = _at(item, tuple(parents))
        if draw(st.integers(0, 2)) == 0:
            del holder[name]
        else:
            holder[name] = copy.deepcopy(draw(scalars | st.sampled_from(WRONG)))
    return item


# Stream maps

EXPRESSIONS = {
    "events": [
        "payload.get('cart')", "payload.get('url') if payload else None", "payload",
        "payload['@type']", "_['payload'].get('cart', {}).get('total')", "str(payload)",
        "eventType.upper() if eventType else None", "metadata.get('workspaceSlug')",
        "record.get('payload', {}).get('order', {}).get('total')", "str(timestamp)",
        "float(payload.get('cart', {}).get('total', 0))",
    ],
    "sessions": [
        "window['start'][:10]", "_.get('location')", "location['coordinates']['latitude'] * 2",
        "statistics.get('pageViews') + 1", "client['browser'].get('name')", "window",
        "referrer.split('/')[2] if referrer else None", "record['campaign'].get('name')",
    ],
    "users": [
        "sha256(email) if email else None", "_['email']", "firstName", "interests",
        "address.get('country')", "statistics['orders'] + 1", "customAttributes.get('score')",
        "activities or []", "md5(phone or '')", "json.dumps(statistics)", "bool(email)",
    ],
}  # fmt: skip
EVERYWHERE = [
    "record", "_", "bool(_)", "'constant'", "1", "1.5", "__stream_name__", "config['salt']",
    "__original_stream_name__", "{'a': 1, 'b': [userId]}", "None", "'email' in _", "userId",
    "sha256(config['salt'] + str(userId))", "int('7')",
]  # fmt: skip
CHANGES = ["self", "str(self)", "sha256(str(self))", "self if self else None", "'redacted'"]
FILTERS = {
    "events": ["eventType != 'pageOpened'", "payload.get('cart')", "'cart' in payload"],
    "sessions": ["statistics['orders'] > 0", "referrer", "_.get('campaign')"],
    "users": ["email", "_['statistics'].get('orders', 0) > 0", "externalUserId is not None"],
}


@st.composite
def maps_of(draw: st.DrawFn, stream: str, declared: list[str]) -> Json:
    """Stream maps of a stream, none of them for a property that it does not have."""
    pool = st.sampled_from(EXPRESSIONS[stream] + EVERYWHERE)
    result: Json = {}
    others = [name for name in declared if name not in {KEYS[stream], ADDITIONAL}]
    for name in draw(st.lists(st.sampled_from(others), max_size=3, unique=True)):
        result[name] = draw(st.sampled_from([None, "__NULL__", *CHANGES]) | pool)
    for name in draw(st.lists(st.sampled_from(["added", "other", "sum"]), max_size=2, unique=True)):
        result[name] = draw(pool)
    if draw(st.integers(0, 2)) == 0:
        result["__filter__"] = draw(st.sampled_from([*FILTERS[stream], "userId", "False", "1"]))
    if draw(st.integers(0, 4)) == 0:
        result["__else__"] = draw(st.sampled_from([None, "__NULL__"]))
        result[KEYS[stream]] = KEYS[stream]
    elif draw(st.integers(0, 4)) == 0:
        kept = [name for name in declared if result.get(name, "") not in (None, "__NULL__")]
        result["__key_properties__"] = draw(st.sampled_from([[], [kept[0]], kept[:2]]))
    return result


@st.composite
def stream_maps(draw: st.DrawFn, stream: str, declared: list[str]) -> Json:
    """A setting `stream_maps`."""
    result: Json = {}
    if draw(st.integers(0, 3)):
        own = draw(maps_of(stream, declared))
        if draw(st.integers(0, 3)) == 0:
            own["__alias__"] = draw(st.sampled_from(["renamed", "'croct_' + __stream_name__"]))
        result[draw(st.sampled_from([stream, stream, f"{stream[:3]}*"]))] = own
    for alias in draw(st.sampled_from([[], [], ["copies"], ["copies", "more"]])):
        result[alias] = {"__source__": stream, **draw(maps_of(stream, declared))}
    if result and draw(st.integers(0, 9)) == 0:  # alone, it would leave nothing
        result["__else__"] = None
    return result


# Settings and catalogs

CHANGED_METADATA: list[Json | None] = [
    *[{"selected": False}] * 4, {"selected": True}, None,
    {"inclusion": "unsupported"}, {"selected-by-default": False}, {"selected-by-default": True},
]  # fmt: skip


@dataclass
class Case:
    """What a run is made with; hypothesis prints it when the outcomes differ."""

    config: Json
    selection: dict[Breadcrumb, Json | None]
    """Changes of the metadata of the stream's catalog entry, None to remove it."""

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
        kind = draw(st.sampled_from([["string", "null"], ["object", "null"], ["array", "null"]]))
        properties["giftWrap"] = {"type": kind}
    config: Json = {}
    if draw(st.booleans()):
        declared = list(entry["schema"]["properties"])
        config["stream_maps"] = draw(stream_maps(stream, declared))
        config["stream_map_config"] = {"salt": "pepper"}
    if draw(st.booleans()):
        config["flattening_enabled"] = True
        config["flattening_max_depth"] = draw(st.sampled_from([0, 1, 2, 3, 3, 4, 5]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_max_key_length"] = draw(st.sampled_from([25, 40, 63, 127]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_separator"] = draw(st.sampled_from([".", "_", "-", "__"]))
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


def _select(draw: st.DrawFn, entry: Json) -> dict[Breadcrumb, Json | None]:
    """Select a stream, and change the metadata of its properties; return these changes."""
    metadata = {tuple(found["breadcrumb"]): found["metadata"] for found in entry["metadata"]}
    known = [breadcrumb for breadcrumb in metadata if breadcrumb]
    objects = {breadcrumb[:-2] for breadcrumb in known if breadcrumb[:-2]}
    unknown = [(*breadcrumb, "properties", "new") for breadcrumb in sorted(objects)]
    changes: dict[Breadcrumb, Json | None] = {}
    for breadcrumb in draw(st.lists(st.sampled_from(known + known + unknown), max_size=8)):
        change = draw(st.sampled_from(CHANGED_METADATA))
        if change is None or "inclusion" not in change or breadcrumb[-1] not in _kept(entry):
            changes[breadcrumb] = change
    for breadcrumb, change in changes.items():
        if change is None:
            metadata.pop(breadcrumb, None)
        else:
            metadata[breadcrumb] = {**metadata.get(breadcrumb, {}), **change}
    metadata[()]["selected"] = True
    entry["metadata"] = [
        {"breadcrumb": list(breadcrumb), "metadata": found}
        for breadcrumb, found in metadata.items()
    ]
    return changes
