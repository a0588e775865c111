"""What is done to the records of a stream: decided once per run, applied page by page."""

import fnmatch
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from types import SimpleNamespace
from typing import Any

import simplejson
from jsonschema import Draft4Validator
from singer_sdk import Stream
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.mapper import NULL_STRING, CustomStreamMap, RemoveRecordTransform, StreamMap

from tap_croct.records import (
    Flattener,
    Record,
    convert_times,
    deselected,
    ensure_keys,
    leave_out,
    move_undeclared,
    time_paths,
)
from tap_croct.schemas import ADDITIONAL, undeclared

_SEARCHED = 2000
"""How many records of a run are searched for nested properties that the schema lacks."""

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
"""Types of JSON; a catalog may name others."""

_JSON = SimpleNamespace(dumps=simplejson.dumps, loads=json.loads)
"""The `json` of expressions: numbers keep their digits."""

_WITHOUT_DATA = (MapExpressionError, TypeError)
"""Errors whose text names types or parts of the expression: that of others may quote data."""

_NOT_OF_DATA = ("FunctionNotDefined", "FeatureNotAvailable")
"""Errors that no value of a record causes."""

_WITH_DATA = "NumberTooHigh"
"""The one error of the SDK's evaluator whose text quotes the numbers that it was given."""


class Records:
    """The steps from items to records: decided once per run, applied page by page."""

    def __init__(self, stream: Stream, primary_key: str, warn_once: Callable[[str], None]) -> None:
        """Decide what has to be done.

        Args:
            stream: The stream: its schema, selection and stream maps.
            primary_key: The property that identifies a record, whatever a catalog says.
            warn_once: Logs a warning, unless it was logged before.
        """
        self._stream = stream.name
        self._key = primary_key
        own = stream.schema["properties"].keys()
        in_catalog = stream.effective_schema["properties"].keys()
        self._declared = own | in_catalog
        self._times = time_paths(stream.schema)
        self._deselected = deselected(stream.mask)
        # What a catalog leaves out of the tap's schema is selected and mapped like all else, and
        # only moved after that: it would slip past both.
        self._mappings = [
            _Mapping(stream_map, stream, left_out=bool(own - in_catalog))
            for stream_map in stream.stream_maps
            if not isinstance(stream_map, RemoveRecordTransform)
        ]
        self._warn_once = warn_once

    @property
    def unknown(self) -> set[str]:
        """Paths of what was written, so far, and is not in the schema."""
        return {f"{self._stream}.{n}" for mapping in self._mappings for n in mapping.unknown}

    def of(
        self, items: list[Record], enrich: Callable[[list[Record]], None]
    ) -> Iterator[tuple[str, list[Record]]]:
        """Make records of the items of a page.

        Args:
            items: The items; they are changed.
            enrich: Adds to records what the API does not send with them.

        Yields:
            For each stream map, the name of the stream that it makes, and its records.

        Raises:
            MapExpressionError: If an expression of a stream map fails.
            RecursionError: If a record is nested too deeply.
        """
        if ensure_keys(items, self._key):
            self._warn_once(f"records without `{self._key}` get one derived from their content")
        if convert_times(items, self._times):
            self._warn_once("numbers that are not a time from year 1 to 9999 become null")
        moved = move_undeclared(items, self._declared)
        enrich(items)
        leave_out(items, self._deselected)
        for mapping in self._mappings:
            yield mapping.stream, mapping.apply(items, moved, self._warn_once)


class _Mapping:
    """A stream map, and what comes after it: flattening, or the columns that a catalog lacks."""

    def __init__(self, stream_map: StreamMap, stream: Stream, *, left_out: bool) -> None:
        self.stream = stream_map.stream_alias
        self._map = stream_map
        self._columns = stream_map.transformed_schema["properties"].keys()
        self._left_out = left_out
        self._flatten = (
            Flattener(stream_map, stream.schema) if stream_map.flattening_enabled else None
        )
        stream_map.flattening_options = None  # the schema is flat already; so records are not
        if isinstance(stream_map, CustomStreamMap):  # the `json` of Python takes no `Decimal`
            stream_map.expr_evaluator.functions["json"] = _JSON
        self.unknown: set[str] = self._flatten.without_column if self._flatten else set()
        """Paths of what was written, so far, and is not in the schema."""

        self._objects = {n: p for n, p in stream.schema["properties"].items() if "properties" in p}
        computed = _computed_columns(stream.config.get("stream_maps") or {}, stream.name)
        self._types = {  # to later drafts, 2.0 is an integer
            name: Draft4Validator({"type": [kind for kind in _TYPES if kind in column["type"]]})
            for name, column in stream_map.transformed_schema["properties"].items()
            if name in computed and "type" in column
        }
        self._computed = {n for n, text in computed.items() if ADDITIONAL not in text}
        self._searched = 0

    def apply(
        self, records: list[Record], moved: set[str], warn_once: Callable[[str], None]
    ) -> list[Record]:
        if isinstance(self._map, CustomStreamMap):
            records = _mapped(self._map, records)
            self._check_types(records, warn_once)
        for record in records if moved else ():
            additional = record.get(ADDITIONAL)
            self.unknown |= moved & additional.keys() if isinstance(additional, dict) else set()
        for name in self.unknown & self._computed:
            warn_once(
                f"the stream map of `{name}` in {self.stream} adds a column: what the API sends by "
                f"that name stays in `{ADDITIONAL}.{name}`, which the catalog can deselect"
            )
        if self._flatten is not None:
            return [self._flatten(record) for record in records]
        if self._left_out:
            records = self._declared_only(records)
        if self._searched < _SEARCHED:
            self._search(records)
        return records

    def _check_types(self, records: list[Record], warn_once: Callable[[str], None]) -> None:
        for name, column in self._types.items():
            values = [record[name] for record in records if record.get(name) is not None]
            for value in {type(value): value for value in values}.values():
                written = str(value) if isinstance(value, (date, time)) else value
                if not column.is_valid(written):
                    warn_once(
                        f"the stream map of `{name}` in {self.stream} yields a value that does not "
                        "fit its column: write `str(…)`, `json.dumps(…)`, `int(…)`, `float(…)` or "
                        "`bool(…)`"
                    )

    def _declared_only(self, records: list[Record]) -> list[Record]:
        """Return copies of records, in which what the schema lacks is moved."""
        records = [dict(record) for record in records]
        move_undeclared(records, self._columns)
        if ADDITIONAL not in self._columns:
            for record in records:
                record.pop(ADDITIONAL, None)
        return records

    def _search(self, records: list[Record]) -> None:
        self._searched += len(records)
        for record in records:
            for name, schema in self._objects.items():
                self.unknown.update(undeclared(record.get(name), schema, f"{name}."))
        self.unknown.discard("payload.type")  # the name of `@type` before contract 0.3.0


def _mapped(stream_map: CustomStreamMap, records: list[Record]) -> list[Record]:
    """Map records, or say which expression failed, in words that can't quote a person's data."""
    try:
        mapped = [stream_map.transform(record) for record in records]
    except Exception as error:  # noqa: BLE001 - an expression can raise anything
        cause = error.__cause__ if isinstance(error, MapExpressionError) else error
        why = kind = type(cause).__name__
        if isinstance(error, _WITHOUT_DATA) and kind != _WITH_DATA:
            why = f"{kind}: {cause}".rstrip(".")
        if kind not in _NOT_OF_DATA:
            why = f"{why}. A property may be null or missing: `… if … else None`"
        message = (
            f"{stream_map.stream_alias}: the stream map `{stream_map.expr_evaluator.expr}` fails "
            f"on a record: {why}"
        )
        raise MapExpressionError(message) from None
    return [record for record in mapped if record is not None]


def _computed_columns(stream_maps: Mapping[str, Any], stream: str) -> dict[str, str]:
    """Return the columns that stream maps yield for a stream, with their expressions."""
    return {
        column: value
        for name, definition in stream_maps.items()
        if isinstance(definition, dict)
        and fnmatch.fnmatch(stream, definition.get("__source__", name))
        for column, value in definition.items()
        if not column.startswith("__") and value not in (None, NULL_STRING)
    }
