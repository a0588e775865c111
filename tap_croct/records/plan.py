"""What is done to the records of a stream: decided once per run, applied page by page."""

from __future__ import annotations

from decimal import InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform

from tap_croct.decoding import decode, decode_column, encode, unreadable
from tap_croct.errors import UnreadableError
from tap_croct.records.additional import Unknown, move_undeclared
from tap_croct.records.flattening import Flattener
from tap_croct.records.keys import ensure_keys
from tap_croct.records.maps import failed_expression, properties_used
from tap_croct.records.moments import convert_times, format_times, time_paths
from tap_croct.records.selection import deselected, leave_out
from tap_croct.schemas import ADDITIONAL
from tap_croct.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import StreamMap

    from tap_croct.export import ExportedPage
    from tap_croct.shapes import Shape

Row = dict[str, Any]
_NOT_USUAL = (msgspec.ValidationError, RecursionError)


class Rules(msgspec.Struct, frozen=True):
    """What differs between the streams.

    Attributes:
        stream: Name of the stream.
        primary_key: The property that identifies a record.
        schema: The tap's own schema.
        shape: The usual shape of an item.
        kind: The property that names the kind of a record, if there is one.
        complete: Adds to the items of a page what the API does not send with each.
        warn_once: Logs a warning, unless one of its kind (the first argument) was logged before.
    """

    stream: str
    primary_key: str
    schema: dict[str, Any]
    shape: Shape
    kind: str | None
    complete: Callable[[list[Any], ExportedPage], None]
    warn_once: Callable[[str, str], None]


class RecordPlan:
    """The steps from the items of a page to the records that are written.

    Properties that no step looks into pass through undecoded. The output is that of the SDK's own
    way, record by record: selection, then stream maps, then flattening.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        declared: Mapping[str, Any],
        mask: Mapping[tuple[str, ...], bool],
        stream_maps: Sequence[StreamMap],
        settings: Mapping[str, Any],
    ) -> None:
        """Decide what has to be done.

        Args:
            rules: What differs between the streams.
            declared: The properties of the stream's schema in the catalog.
            mask: Whether each breadcrumb of the catalog is selected.
            stream_maps: The maps of the stream.
            settings: The tap's settings.
        """
        self._rules = rules
        self._shape = shape = rules.shape
        # What a catalog leaves out of the tap's schema is selected and mapped like all else, and
        # only moved after that: it would slip past both.
        self._left_out = rules.schema["properties"].keys() - declared
        self._times = time_paths(rules.schema)
        self._deselected = {
            shape.attributes[name]: below
            for name, below in deselected(mask).items()
            if name in shape.attributes
        }
        self._nested = any(stream_map.flattening_enabled for stream_map in stream_maps)
        maps = settings.get("stream_maps") or {}
        self._used = properties_used(maps, rules.stream)
        self._maps = [
            _Mapping(stream_map)
            for stream_map in stream_maps
            if not isinstance(stream_map, RemoveRecordTransform)
        ]
        self._changed = bool(self._left_out or shape.unnamed) or any(m.changes for m in self._maps)
        self._unknown = Unknown(rules.schema, rules.kind)

    @property
    def unknown(self) -> set[str]:
        """Paths of what was written, so far, and is not in the schema."""
        names = self._unknown.names.union(*(mapping.unknown for mapping in self._maps))
        return {f"{self._rules.stream}.{name}" for name in names}

    def records(self, page: ExportedPage) -> Iterator[tuple[str, list[Any]]]:
        """Make records of the items of a page.

        Args:
            page: The page; its items become the records.

        Yields:
            For each stream map, the name of the stream that it makes, and its records: dicts, or
            structs where no step needs dicts.

        Raises:
            UnreadableError: If a step has to look into a value that no parser takes.
        """
        items = page.items
        try:
            if page.usual:
                moved: set[str] = set()
            else:
                items, moved = self._to_structs(items)
            yield from self._records(items, moved, page)
        except (msgspec.MsgspecError, RecursionError, InvalidOperation) as error:
            rows = items if isinstance(items[0], dict) else self._shape.rows(items)
            which = unreadable(rows, self._rules.primary_key)
            message = f"page {page.number}: {which} cannot be read ({printable(error)})"
            raise UnreadableError(message) from error

    def _records(
        self, items: list[Any], moved: set[str], page: ExportedPage
    ) -> Iterator[tuple[str, list[Any]]]:
        if page.repaired:
            message = "half surrogate pairs are not text: replaced with U+FFFD"
            self._rules.warn_once("text", message)
        if page.overhang is not None:  # the window was rounded for the API
            known = zip(items, page.moments, strict=True)
            items = [item for item, ms in known if type(ms) is not int or ms in page.overhang]
        format_times(items, self._times)
        self._rules.complete(items, page)
        leave_out(items, self._deselected)
        rows = self._rows(items) if self._changed else items
        for mapping in self._maps:
            records = mapping.apply(rows)
            self._unknown.note(moved, records)
            if mapping.flatten is not None:
                yield mapping.stream, [mapping.flatten(record) for record in records]
                continue
            if self._left_out:
                records = mapping.declared_only(records)
            self._unknown.search(records)
            yield mapping.stream, records

    def _to_structs(self, rows: list[Row]) -> tuple[list[Any], set[str]]:
        """Make structs from unusual items; values that fit no type stay as they are.

        Returns:
            The structs, and the properties that were moved into `additionalProperties`.
        """
        rules = self._rules
        if ensure_keys(rows, rules.primary_key):
            message = f"records without `{rules.primary_key}` get one derived from their content"
            rules.warn_once("key", message)
        moved = move_undeclared(rows, self._shape.attributes.keys())
        try:
            return self._shape.decode_items(encode(rows)), moved  # most are usual now
        except _NOT_USUAL:
            return [self._to_struct(row) for row in rows], moved

    def _to_struct(self, row: Row) -> Any:
        try:
            return self._shape.decode_items(encode([row]))[0]
        except _NOT_USUAL:
            if convert_times(row, self._times):
                message = "numbers that are not a time from year 1 to 9999 become null"
                self._rules.warn_once("time", message)
            return self._shape.item(row)

    def _rows(self, items: list[Any]) -> list[Row]:
        """Return items as the SDK's maps take them; what these look into is decoded."""
        rows = self._shape.rows(items)
        for name in set().union(*rows) if self._nested else ():
            decode_column(rows, name, nested_only=True)
        for name in set().union(*rows) if self._used is None else self._used:
            decode_column(rows, name)
            for row in rows:
                if type(row.get(name)) is Raw:  # no parser takes it: say why
                    decode(row[name])
        return rows


class _Mapping:
    """A stream map, and the flattening after it."""

    def __init__(self, stream_map: StreamMap) -> None:
        self.stream = stream_map.stream_alias
        self._properties = frozenset(stream_map.transformed_schema["properties"])
        self.flatten: Flattener | None = None
        self._custom = stream_map if isinstance(stream_map, CustomStreamMap) else None
        options = stream_map.flattening_options
        if options is not None and stream_map.flattening_enabled:
            self.flatten = Flattener(stream_map.transformed_schema["properties"].keys(), options)
            stream_map.flattening_options = None  # the schema is flat already; so records are not

    @property
    def changes(self) -> bool:
        return self._custom is not None or self.flatten is not None

    @property
    def unknown(self) -> set[str]:
        return set() if self.flatten is None else self.flatten.without_column

    def declared_only(self, rows: list[Row]) -> list[Row]:
        """Return copies of records, in which what the schema lacks is moved."""
        rows = [dict(row) for row in rows]
        move_undeclared(rows, self._properties)
        if ADDITIONAL not in self._properties:
            for row in rows:
                row.pop(ADDITIONAL, None)
        return rows

    def apply(self, rows: list[Any]) -> list[Any]:
        if self._custom is None:
            return rows
        try:
            mapped = [self._custom.transform(row) for row in rows]
        except Exception as error:  # noqa: BLE001 - an expression can raise anything
            raise failed_expression(self._custom, error) from None
        return [record for record in mapped if record is not None]
