"""The SDK's own way with records, to compare the tap's output with.

`Reference` is a tap as the SDK's documentation describes one: streams whose `get_records` yields
the records, everything else left to the SDK. This is also the one place that knows where the tap
means to differ from it: what has no column moves into the column `additionalProperties`, flattened
under the name that its column would have; and flattened objects that are null are left out.
"""

import contextlib
import copy
import io
import json
import logging
from collections.abc import Iterator
from typing import Any, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter
from singer_sdk.singerlib.json import serialize_json

from dev.expected import expected
from dev.running import Output
from dev.warehouse import SCHEMAS

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
