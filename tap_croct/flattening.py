"""Flattening: nested properties become columns, by the SDK's rules, with the names remembered."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import encoder
from singer_sdk.helpers._flattening import flatten_key  # the SDK's rules for long names

from tap_croct.schemas import ADDITIONAL

if TYPE_CHECKING:
    from collections.abc import Collection

    from singer_sdk.mapper import StreamMap

_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_MOST_NAMES = 10_000  # that a level remembers: maps with free keys can bring any number


class Flattener:
    """Flattens the records of one schema.

    The SDK makes the name of every column anew for every record; this remembers them: a level of
    nesting is a table of the names met there. What has no column goes into `additionalProperties`
    under the name that its column would have. A null without a column is left out: it stands for
    an object whose columns are missing.
    """

    def __init__(self, stream_map: StreamMap) -> None:
        """Prepare for a schema.

        Args:
            stream_map: The stream map with the flattened schema, and the options.
        """
        self.without_column: set[str] = set()
        """Names of the columns that the schema would have needed."""

        self._columns: Collection[str] = stream_map.transformed_schema["properties"].keys()
        self._top = _Level((), self._columns, stream_map.flattening_options)

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Flatten a record.

        Args:
            record: A record; it is not changed.

        Returns:
            A new record; objects and lists in it are JSON text.
        """
        flat: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        _flatten(record, self._top, flat, rest)
        if rest and ADDITIONAL in self._columns:
            self.without_column.update(rest)
            flat[ADDITIONAL] = _json_text(join_additional(record.get(ADDITIONAL), rest))
        return flat


def join_additional(own: object, moved: dict[str, Any]) -> dict[str, Any]:
    """Join what is moved into `additionalProperties` with what a record has there itself.

    Args:
        own: The record's own value.
        moved: What is moved, by name.

    Returns:
        The properties of both. An own value that is not an object, or that shares a name with what
        is moved, is kept whole as the property `additionalProperties`.
    """
    if own is None:
        return moved
    if not isinstance(own, dict) or not own.keys().isdisjoint(moved):
        return {ADDITIONAL: own, **moved}
    return {**own, **moved}


class _Level(dict[str, "tuple[str, bool, _Level | None]"]):
    """The properties of one level: name of the column, whether it exists, and the level below."""

    def __init__(self, path: tuple[str, ...], columns: Collection[str], options: Any) -> None:
        super().__init__()
        self._path = path
        self._columns = columns
        self._options = options

    def __missing__(self, name: str) -> tuple[str, bool, _Level | None]:
        options = self._options
        column = flatten_key(
            name, list(self._path), options.separator, max_key_length=options.max_key_length
        )
        known = column in self._columns
        deeper = not known and len(self._path) < options.max_level
        below = _Level((*self._path, name), self._columns, options) if deeper else None
        if len(self) < _MOST_NAMES:
            self[name] = column, known, below
        return column, known, below


def _flatten(
    value: dict[str, Any], level: _Level, flat: dict[str, Any], rest: dict[str, Any]
) -> None:
    for name, child in value.items():
        column, known, below = level[name]
        if known:
            flat[column] = _json_text(child) if isinstance(child, (dict, list)) else child
        elif below is not None and isinstance(child, dict):
            _flatten(child, below, flat, rest)
        elif child is not None:
            rest[column] = child


def _json_text(value: object) -> str:
    """Return the JSON text that the SDK would write into a column."""
    text = encoder.encode(value).decode()
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
