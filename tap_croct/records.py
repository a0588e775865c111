"""From the items of a page to the records that are written: plain functions over dicts."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform

from tap_croct import times
from tap_croct.flattening import Flattener, join_additional
from tap_croct.schemas import ADDITIONAL, undeclared

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from singer_sdk import Stream
    from singer_sdk.mapper import StreamMap

Record = dict[str, Any]
Tree = dict[str, "Tree | None"]
"""Names of properties; None where the whole property is meant, a tree where parts of it are."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "croct.com")
_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")
_SEARCHED = 2000
"""How many records of a run are searched for nested properties that the schema lacks."""

_WITHOUT_DATA = (AttributeError, TypeError)
"""Errors whose text names types only: that of others may quote a person's data."""

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
            _Mapping(stream_map, stream.schema, left_out=bool(own - in_catalog))
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
            yield mapping.stream, mapping.apply(items, moved)


def ensure_keys(records: Iterable[Record], name: str) -> bool:
    """Give records without a primary key one that is derived from their content.

    Args:
        records: Items as the API sent them; they are changed.
        name: The primary key.

    Returns:
        Whether there were any: their key was missing, null or empty.
    """
    without = [record for record in records if record.get(name) in (None, "")]
    for record in without:
        record.pop(name, None)
        content = _CANONICAL.encode(record).decode()
        record[name] = str(uuid.uuid5(_NAMESPACE, content))
    return bool(without)


def move_undeclared(records: Collection[Record], declared: AbstractSet[str]) -> set[str]:
    """Move the properties that the schema lacks into `additionalProperties`.

    Args:
        records: Records; they are changed.
        declared: The properties of the schema.

    Returns:
        Their names.
    """
    names = set().union(*records) - declared
    for record in records if names else ():
        if moved := {name: record.pop(name) for name in sorted(record.keys() & names)}:
            record[ADDITIONAL] = join_additional(record.get(ADDITIONAL), moved)
    return names


def time_paths(schema: dict[str, Any]) -> Tree:
    """Return where a schema declares times, at every depth."""
    paths: Tree = {}
    for name, prop in schema["properties"].items():
        if prop.get("format") == "date-time":
            paths[name] = None
        elif "properties" in prop and (below := time_paths(prop)):
            paths[name] = below
    return paths


def convert_times(records: Iterable[Record], paths: Tree) -> bool:
    """Turn times from milliseconds since the epoch into RFC 3339 strings.

    Args:
        records: Records; they are changed. What is not a number stays as it came.
        paths: Where the times are.

    Returns:
        Whether there were numbers that are not a time of any calendar: they become null.
    """
    lost = False
    for name, below in paths.items():
        holders = [record for record in records if name in record]
        if below is not None:
            nested = [record[name] for record in holders if isinstance(record[name], dict)]
            lost |= convert_times(nested, below)
            continue
        for record in holders:
            value = record[name]
            if type(value) in (int, Decimal):  # a bool is not a time
                record[name] = text = times.from_api(value)
                lost |= text is None
    return lost


def deselected(mask: Mapping[tuple[str, ...], bool]) -> Tree:
    """Return what a selection leaves out.

    Args:
        mask: Whether each breadcrumb of the catalog is selected, as the SDK resolves it.
    """
    found: Tree = {}
    # From the top down: what lies below a property that is left out is left out with it.
    for breadcrumb in sorted((b for b, selected in mask.items() if b and not selected), key=len):
        if set(breadcrumb[::2]) != {"properties"}:
            continue  # below a list
        *parents, name = breadcrumb[1::2]
        tree: Tree | None = found
        for parent in parents:
            tree = tree.setdefault(parent, {}) if tree is not None else None
        if tree is not None:
            tree[name] = None
    return found


def leave_out(records: Iterable[Record], names: Tree) -> None:
    """Remove properties from records.

    Args:
        records: The records; they are changed.
        names: What is deselected.
    """
    for name, below in names.items():
        if below is None:
            for record in records:
                record.pop(name, None)
        else:
            nested = [record[name] for record in records if name in record]
            leave_out([value for value in nested if isinstance(value, dict)], below)


class _Mapping:
    """A stream map, and what comes after it: flattening, or the columns that a catalog lacks."""

    def __init__(self, stream_map: StreamMap, schema: dict[str, Any], *, left_out: bool) -> None:
        self.stream = stream_map.stream_alias
        self._map = stream_map
        self._columns = stream_map.transformed_schema["properties"].keys()
        self._flatten: Flattener | None = None
        self._left_out = left_out
        if stream_map.flattening_enabled:
            self._flatten = Flattener(stream_map)
            stream_map.flattening_options = None  # the schema is flat already; so records are not
        self._objects = {n: p for n, p in schema["properties"].items() if "properties" in p}
        self._searched = 0
        self._unknown: set[str] = set()

    @property
    def unknown(self) -> set[str]:
        """Paths of what was written, so far, and is not in the schema."""
        return self._unknown | (self._flatten.without_column if self._flatten else set())

    def apply(self, records: list[Record], moved: set[str]) -> list[Record]:
        if isinstance(self._map, CustomStreamMap):
            records = _mapped(self._map, records)
        for record in records if moved else ():
            additional = record.get(ADDITIONAL)
            self._unknown |= moved & additional.keys() if isinstance(additional, dict) else set()
        if self._flatten is not None:
            return [self._flatten(record) for record in records]
        if self._left_out:
            records = self._declared_only(records)
        if self._searched < _SEARCHED:
            self._search(records)
        return records

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
                self._unknown.update(undeclared(record.get(name), schema, f"{name}."))
        self._unknown.discard("payload.type")  # the name of `@type` before contract 0.3.0


def _mapped(stream_map: CustomStreamMap, records: list[Record]) -> list[Record]:
    try:
        mapped = [stream_map.transform(record) for record in records]
    except Exception as error:  # noqa: BLE001 - an expression can raise anything
        raise _failed_expression(stream_map, error) from None
    return [record for record in mapped if record is not None]


def _failed_expression(stream_map: CustomStreamMap, error: Exception) -> MapExpressionError:
    """Say which expression failed, and why; in words only that can't quote a person's data."""
    why = type(error).__name__
    if isinstance(error, MapExpressionError):
        cause = error.__cause__ or error
        why = type(cause).__name__
        if why != _WITH_DATA:
            why = str(cause)
    elif isinstance(error, _WITHOUT_DATA):
        why = f"{why}: {error}"
    message = (
        f"{stream_map.stream_alias}: the stream map `{stream_map.expr_evaluator.expr}` fails on a "
        f"record: {why}. A property may be null or missing: `… if … else None`"
    )
    return MapExpressionError(message)
