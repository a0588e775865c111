"""What the comparison with the SDK's own way is tried with: strategies for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st
from singer_sdk.singerlib.json import serialize_json

from dev.expected import KEYS, STREAMS
from dev.sandbox.world import METADATA
from tests.support.converted import ADDITIONAL
from tests.support.drawn_items import at, items_of
from tests.support.oracle import Pages, catalog

Json = dict[str, Any]
Breadcrumb = tuple[str, ...]


@dataclass
class Case:
    """What a run is made with; hypothesis prints it when the outcomes differ."""

    stream: str
    config: Json
    selection: dict[Breadcrumb, Json | None] | None
    """Changes of the metadata of the stream's catalog entry, None to remove it; None for no catalog."""

    schema: dict[Breadcrumb, Json | None]
    """Changes of the schema of the stream's catalog entry, None to remove a property."""

    others: dict[str, bool]
    """The other streams of the catalog, selected or not; and this one, if it is not."""

    items: list[Json]
    page_size: int
    ascii: bool
    """Whether the response escapes everything else."""

    exponent: str
    """`e` or `E`, as numbers of the response have it."""

    def catalog(self) -> Json | None:
        """Return the catalog of the run."""
        if self.selection is None:
            return None
        result = catalog()
        selected = {self.stream: True, **self.others}
        result["streams"] = [e for e in result["streams"] if e["tap_stream_id"] in selected]
        for entry in result["streams"]:
            metadata = {
                tuple(found["breadcrumb"]): found["metadata"] for found in entry["metadata"]
            }
            metadata[()]["selected"] = selected[entry["tap_stream_id"]]
            if entry["tap_stream_id"] == self.stream:
                self._change(entry, metadata)
            entry["metadata"] = [
                {"breadcrumb": list(breadcrumb), "metadata": found}
                for breadcrumb, found in metadata.items()
            ]
        return result

    def _change(self, entry: Json, metadata: dict[Breadcrumb, Json]) -> None:
        for breadcrumb, change in (self.selection or {}).items():
            if change is None:
                metadata.pop(breadcrumb, None)
            else:
                metadata[breadcrumb] = {**metadata.get(breadcrumb, {}), **change}
        for breadcrumb, change in self.schema.items():
            *parents, name = breadcrumb
            properties = at(entry["schema"], tuple(parents))
            if change is None:
                if name != ADDITIONAL:  # the tap would declare it again
                    properties.pop(name, None)
            else:
                properties[name] = change
        if self.config.get("emit_activate_version_messages"):
            entry["replication_method"] = "FULL_TABLE"

    def pages(self) -> Pages:
        """Return the bodies of the responses."""
        pages: Pages = {name: [_body([], None, self)] for name in STREAMS}
        starts = range(0, len(self.items), self.page_size)
        pages[self.stream] = [
            _body(self.items[start : start + self.page_size], str(number), self)
            for number, start in enumerate(starts, start=1)
        ]
        pages[self.stream].append(_body([], None, self))
        return pages


def _body(items: list[Json], cursor: str | None, case: Case) -> bytes:
    page: Json = {"items": items, "nextCursor": cursor}
    if case.stream == "events":
        page["metadata"] = METADATA
    text = serialize_json(page, ensure_ascii=case.ascii)
    # In texts, too, and it does no harm: both taps are given the body, not the items.
    return text.replace("E", case.exponent).encode()


# Stream maps

EXPRESSIONS = {
    "events": [
        "payload.get('cart')", "payload.get('url') if payload else None", "payload",
        "payload['@type']", "_['payload'].get('cart', {}).get('total')", "str(payload)",
        "eventType.upper() if eventType else None", "context.get('metadata', {}).get('release')",
        "str(timestamp)", "metadata.get('workspaceSlug')", "_['context']", "sessionId + userId",
        "record.get('payload', {}).get('order', {}).get('total')", "md5(sessionId)",
        "float(payload.get('cart', {}).get('total', 0))",
    ],
    "sessions": [
        "window['start'][:10]", "_.get('location')", "location['coordinates']['latitude'] * 2",
        "statistics.get('pageViews') + 1", "client['browser'].get('name')", "window",
        "attributes.get('visits')", "referrer.split('/')[2] if referrer else None",
        "record['campaign'].get('name')", "md5(userId)", "closeTime[:10]",
    ],
    "users": [
        "sha256(email) if email else None", "_['email']", "firstName", "interests",
        "firstName[0] if firstName else None", "address.get('country')", "statistics['orders'] + 1",
        "customAttributes.get('score')", "activities or []", "md5(phone or '')",
        "json.dumps(statistics)", "birthDate[:4] if birthDate else None", "bool(email)",
    ],
}  # fmt: skip
EVERYWHERE = [
    "record", "_", "bool(_)", "'constant'", "1", "1.5", "__stream_name__", "config['salt']",
    "__original_stream_name__", "{'a': 1, 'b': [userId]}", "None", "'email' in _", "userId",
    "sha256(config['salt'] + str(userId))", "int('7')", "datetime.date(2026, 1, 1).isoformat()",
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
    others = [name for name in declared if name != KEYS[stream]]
    for name in draw(st.lists(st.sampled_from(others), max_size=2, unique=True)):
        result[name] = draw(st.sampled_from([None, "__NULL__", *CHANGES]))
    for name in draw(st.lists(st.sampled_from(["added", "other", "sum"]), max_size=2, unique=True)):
        result[name] = draw(pool)
    if draw(st.integers(0, 3)) == 0:
        name, expression = draw(st.sampled_from(others)), draw(pool)
        if (name, expression[:5]) != (ADDITIONAL, "json."):  # would look as if the tap had put it
            result[name] = expression
    if draw(st.integers(0, 2)) == 0:
        result["__filter__"] = draw(st.sampled_from([*FILTERS[stream], "userId", "False", "1"]))
    if draw(st.integers(0, 4)) == 0:
        result["__else__"] = draw(st.sampled_from([None, "__NULL__"]))
    if draw(st.integers(0, 4)) == 0:
        keys = [name for name in declared if result.get(name, "") not in (None, "__NULL__")]
        if "__else__" in result:
            keys = [name for name in keys if name in result] or ["added"]
            result.setdefault(keys[0], "userId")
        result["__key_properties__"] = draw(st.sampled_from([[], [keys[0]], keys[:2]]))
    elif "__else__" in result:
        result[KEYS[stream]] = KEYS[stream]
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
    if draw(st.integers(0, 9)) == 0:
        result["__else__"] = None
    if draw(st.integers(0, 19)) == 0:
        result[stream] = draw(st.sampled_from([None, "__NULL__"]))
    return result


# Settings and catalogs

METADATA_CHANGES: list[Json | None] = [
    *[{"selected": False}] * 4, {"selected": True}, None,
    {"inclusion": "unsupported"}, {"selected-by-default": False}, {"selected-by-default": True},
]  # fmt: skip


@st.composite
def configs(draw: st.DrawFn, stream: str, declared: list[str]) -> Json:
    """Settings that change what goes out."""
    config: Json = {}
    if draw(st.booleans()):
        config["stream_maps"] = draw(stream_maps(stream, declared))
        config["stream_map_config"] = {"salt": "pepper"}
    if draw(st.booleans()):
        config["flattening_enabled"] = True
        config["flattening_max_depth"] = draw(st.sampled_from([0, 1, 2, 3, 3, 4, 5]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_max_key_length"] = draw(st.sampled_from([25, 40, 63, 127]))
        if draw(st.integers(0, 2)) == 0:
            config["flattening_separator"] = draw(st.sampled_from([".", "_", "-", "__"]))
    return config


@cache
def entries() -> dict[str, Json]:
    """Return the entries of the discovered catalog, by stream, not to be changed."""
    return {entry["tap_stream_id"]: entry for entry in catalog()["streams"]}


def _breadcrumbs(entry: Json) -> list[Breadcrumb]:
    return [tuple(m["breadcrumb"]) for m in entry["metadata"] if m["breadcrumb"]]


def _keys(entry: Json) -> set[Breadcrumb]:
    """Return the breadcrumbs of what the tap keeps selected and declared."""
    names = (KEYS[entry["tap_stream_id"]], entry["replication_key"])
    return {("properties", name) for name in names}


@st.composite
def selections(draw: st.DrawFn, entry: Json) -> dict[Breadcrumb, Json | None]:
    """Changes of the metadata of a catalog entry."""
    known = _breadcrumbs(entry)
    unknown = [(*breadcrumb, "properties", "new") for breadcrumb in [(), *known]]
    chosen = st.lists(st.sampled_from(known) | st.sampled_from(known + unknown), max_size=8)
    result: dict[Breadcrumb, Json | None] = {}
    for breadcrumb in draw(chosen):
        change = draw(st.sampled_from(METADATA_CHANGES))
        if change is None or "inclusion" not in change or breadcrumb not in _keys(entry):
            result[breadcrumb] = change
    return result


@st.composite
def schema_changes(draw: st.DrawFn, entry: Json) -> dict[Breadcrumb, Json | None]:
    """Changes of the schema of a catalog entry, as a user may have made them."""
    free = [name for name in _breadcrumbs(entry) if name not in _keys(entry)]
    result: dict[Breadcrumb, Json | None] = {draw(st.sampled_from(free)): None}
    if draw(st.booleans()):
        kind = draw(st.sampled_from([["string", "null"], ["object", "null"], ["array", "null"]]))
        result["properties", draw(st.sampled_from(["new", "giftWrap"]))] = {"type": kind}
    return result


@st.composite
def cases(draw: st.DrawFn, batches: str) -> Case:
    """Cases of all kinds.

    Args:
        draw: Given by hypothesis.
        batches: The folder of batch files, as a URL.
    """
    stream = draw(st.sampled_from(["events", "events", "sessions", "users"]))
    entry = entries()[stream]
    config = draw(configs(stream, list(entry["schema"]["properties"])))
    selection = None
    others: dict[str, bool] = {}
    schema: dict[Breadcrumb, Json | None] = {}
    if draw(st.integers(0, 2)):
        selection = draw(selections(entry))
        if draw(st.integers(0, 5)) == 0:
            schema = draw(schema_changes(entry))
        if draw(st.integers(0, 5)) == 0:
            config["emit_activate_version_messages"] = True
        # A stream map of a stream that is not selected stops the SDK, and not the tap.
        may_go = STREAMS if "stream_maps" not in config else sorted(set(STREAMS) - {stream})
        if draw(st.integers(0, 4)) == 0:
            others = draw(st.dictionaries(st.sampled_from(may_go), st.booleans()))
            if not any({stream: True, **others}.values()):  # the tap does not run for nothing
                others["users" if stream == "events" else "events"] = True
    if draw(st.integers(0, 4)) == 0:
        config["batch_config"] = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": batches},
            "batch_size": draw(st.sampled_from([1, 2, 3, 1000])),
        }
    return Case(
        stream,
        config,
        selection,
        schema,
        others,
        items=draw(st.lists(items_of(stream), min_size=1, max_size=6)),
        page_size=draw(st.sampled_from([1, 2, 1000])),
        ascii=draw(st.booleans()),
        exponent=draw(st.sampled_from(["e", "E"])),
    )
