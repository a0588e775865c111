"""What is done to the records of a stream: decided once per run, applied page by page."""

from __future__ import annotations

from decimal import InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform

from tap_croct.decoding import decode, decode_column, unreadable
from tap_croct.errors import UnreadableError
from tap_croct.records.additional import Unknown, move_undeclared
from tap_croct.records.flattening import Flattener, decode_nested
from tap_croct.records.keys import ensure_keys
from tap_croct.records.maps import failed_expression, properties_used
from tap_croct.records.moments import convert_times, time_paths
from tap_croct.records.selection import deselected, leave_out
from tap_croct.schemas import ADDITIONAL
from tap_croct.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import StreamMap

    from tap_croct.export import ExportedPage

Row = dict[str, Any]


class Rules(msgspec.Struct, frozen=True):
    """What differs between the streams.

    Attributes:
        stream: Name of the stream.
        primary_key: The property that identifies a record.
        replication_key: The property that holds the time by which the API orders the records.
        schema: The tap's own schema.
        complete: Adds to the records of a page what the items of the API don't have themselves.
        samples: Chooses the records of a page that are searched for what the schema lacks.
        warn_once: Logs a warning, unless one of its kind (the first argument) was logged before.
    """

    stream: str
    primary_key: str
    replication_key: str
    schema: dict[str, Any]
    complete: Callable[[list[Row], ExportedPage], None]
    samples: Callable[[Sequence[Row]], Iterable[Row]]
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
        # What a catalog leaves out of the tap's schema is selected and mapped like all else, and
        # only moved after that: it would slip past both.
        self._left_out = rules.schema["properties"].keys() - declared
        self._declared = self._left_out.union(declared)
        self._times = time_paths(rules.schema)
        self._deselected = deselected(mask)
        self._nested = any(stream_map.flattening_enabled for stream_map in stream_maps)
        maps = settings.get("stream_maps") or {}
        self._used = properties_used(maps, rules.stream)
        self._maps = [
            _Mapping(stream_map)
            for stream_map in stream_maps
            if not isinstance(stream_map, RemoveRecordTransform)
        ]
        self._unknown = Unknown(rules.schema)

    @property
    def unknown(self) -> set[str]:
        """Paths of what was written, so far, and is not in the schema."""
        names = self._unknown.names.union(*(mapping.unknown for mapping in self._maps))
        return {f"{self._rules.stream}.{name}" for name in names}

    def records(self, page: ExportedPage) -> Iterator[tuple[str, list[Row]]]:
        """Make records of the items of a page.

        Args:
            page: The page; its items become the records.

        Yields:
            For each stream map, the name of the stream that it makes, and its records.

        Raises:
            UnreadableError: If a step has to look into a value that no parser takes.
        """
        try:
            yield from self._records(page)
        except (msgspec.MsgspecError, RecursionError, InvalidOperation) as error:
            which = unreadable(page.items, self._rules.primary_key)
            message = f"page {page.number}: {which} cannot be read ({printable(error)})"
            raise UnreadableError(message) from error

    def _records(self, page: ExportedPage) -> Iterator[tuple[str, list[Row]]]:
        rows, moments = self._rows(page)
        moved = self._prepare(rows, moments, page)
        leave_out(rows, self._deselected)
        if self._nested:
            decode_nested(rows)
        self._decode_used(rows)
        for mapping in self._maps:
            records = mapping.apply(rows)
            if moved:
                self._unknown.note_moved(records)
            if self._left_out and mapping.flatten is None:
                records = mapping.declared_only(records)
            if mapping.flatten is None:
                self._unknown.search(self._rules.samples(records))
            else:
                records = [mapping.flatten(record) for record in records]
            yield mapping.stream, records

    def _decode_used(self, rows: list[Row]) -> None:
        """Decode what the expressions of stream maps look into."""
        for name in set().union(*rows) if self._used is None else self._used:
            decode_column(rows, name)
            for row in rows:
                if type(row.get(name)) is Raw:  # no parser takes it: say why
                    decode(row[name])

    def _rows(self, page: ExportedPage) -> tuple[list[Row], list[int | None]]:
        """Return the items that lie in the window, which may have been rounded for the API.

        With them, the replication key of each: see `ExportedPage.moments`.
        """
        if page.overhang is None:
            return page.items, page.moments
        rows: list[Row] = []
        moments: list[int | None] = []
        for row, ms in zip(page.items, page.moments, strict=True):
            if ms is None or ms in page.overhang:
                rows.append(row)
                moments.append(ms)
        return rows, moments

    def _prepare(self, rows: list[Row], moments: list[int | None], page: ExportedPage) -> bool:
        """Give the records of a page the shape that the schema describes."""
        rules = self._rules
        if page.repaired:
            rules.warn_once("text", "half surrogate pairs are not text: replaced with U+FFFD")
        if ensure_keys(rows, rules.primary_key):
            message = f"records without `{rules.primary_key}` get one derived from their content"
            rules.warn_once("key", message)
        if convert_times(rows, self._times, {rules.replication_key: moments}):
            message = "numbers that are not a time from year 1 to 9999 become null"
            rules.warn_once("time", message)
        rules.complete(rows, page)
        return move_undeclared(rows, self._declared)


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
    def unknown(self) -> set[str]:
        return set() if self.flatten is None else self.flatten.without_column

    def declared_only(self, rows: list[Row]) -> list[Row]:
        """Return copies of records, in which what the schema lacks is moved."""
        rows = [dict(row) for row in rows]
        move_undeclared(rows, self._properties)
        if ADDITIONAL not in self._properties:
            leave_out(rows, {ADDITIONAL: None})
        return rows

    def apply(self, rows: list[Row]) -> list[Row]:
        if self._custom is None:
            return rows
        try:
            mapped = [self._custom.transform(row) for row in rows]
        except Exception as error:  # noqa: BLE001 - an expression can raise anything
            raise failed_expression(self._custom, error) from None
        return [record for record in mapped if record is not None]
