"""From the items of a page to records: plain functions over dicts; and flattening."""

import json
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

import msgspec
from singer_sdk.contrib.msgspec import encoder
from singer_sdk.helpers._flattening import flatten_key  # the SDK's rules for long names
from singer_sdk.mapper import StreamMap

from tap_croct import times
from tap_croct.schemas import ADDITIONAL

Record = dict[str, Any]
Tree = dict[str, "Tree | None"]
"""Names of properties; None where the whole property is meant, a tree where parts of it are."""

Path = tuple[str, ...]
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "croct.com")
_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_NESTED = frozenset({dict, list})
_MOST_NAMES = 10_000  # that flattening remembers: free keys can bring any number


def ensure_keys(records: Iterable[Record], name: str) -> bool:
    """Give records without a primary key one that is derived from their content.

    Args:
        records: Items as the API sent them; they are changed.
        name: The primary key.

    Returns:
        Whether there were any: their key was missing, null or empty.
    """
    missing = [r for r in records if r.get(name) in (None, "")]
    for record in missing:
        record.pop(name, None)
        content = _CANONICAL.encode(record).decode()
        record[name] = str(uuid.uuid5(_NAMESPACE, content))
    return bool(missing)


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


def convert_times(records: Collection[Record], paths: Tree) -> bool:
    """Turn times from milliseconds since the epoch into RFC 3339 strings.

    Args:
        records: Records; they are changed. What is not a number stays as it came.
        paths: Where the times are.

    Returns:
        Whether there were numbers that are not a time of any calendar: they become null.
    """
    lost = False
    for name, below in paths.items():
        if below is not None:
            nested = [record[name] for record in records if isinstance(record.get(name), dict)]
            lost |= convert_times(nested, below)
            continue
        for record in records:
            value = record.get(name)
            if type(value) is int or type(value) is Decimal:  # a bool is not a time
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
            leave_out([o for r in records if name in r for o in _objects(r[name])], below)


def _objects(value: object) -> Iterator[Record]:
    """Yield an object, or those in a list, as deep as lists go."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)


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


class Flattener:
    """Flattens the records of one schema.

    The SDK works out every column name again for each record; this remembers them. What has no
    column goes into `additionalProperties` under the name that its column would have. A null
    without a column is left out: it stands for an object whose columns are missing.
    """

    def __init__(self, stream_map: StreamMap, schema: dict[str, Any]) -> None:
        """Prepare for a schema.

        Args:
            stream_map: The stream map with the flattened schema, and the options.
            schema: The tap's own schema of the stream.
        """
        self.without_column: set[str] = set()
        """Paths of what had no column, up to the first name that the schema lacks."""

        self._columns = stream_map.transformed_schema["properties"].keys()
        options: Any = stream_map.flattening_options
        self._options = options
        self._names: dict[Path, dict[str, str]] = {}
        self._left = _MOST_NAMES
        paths = _paths(stream_map.raw_schema, options.max_level)
        self._owners = {self._name(path): path for path in paths}
        known = _paths(schema, options.max_level)
        self._declared = {path[:n] for path in known for n in range(len(path))}

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Flatten a record.

        Args:
            record: A record; it is not changed.

        Returns:
            A new record; objects and lists in it are JSON text.
        """
        flat: dict[str, Any] = {}
        rest: list[tuple[Path, str, Any]] = []
        self._flatten(record, (), flat, rest)
        if rest and ADDITIONAL in self._columns:
            moved: dict[str, Any] = {}
            for path, column, value in rest:
                moved[_another(path, moved) if column in moved else column] = value
                unknown = (n for n in range(len(path)) if path[:n] not in self._declared)
                self.without_column.add(".".join(path[: next(unknown, len(path))]))
            flat[ADDITIONAL] = _json_text(join_additional(record.get(ADDITIONAL), moved))
        return flat

    def _flatten(
        self, value: Record, path: Path, flat: Record, rest: list[tuple[Path, str, Any]]
    ) -> None:
        columns, names = self._columns, self._names.get(path, {})
        for name, child in value.items():
            column = names.get(name) or self._column(path, name)
            if column in columns:
                flat[column] = _json_text(child) if type(child) in _NESTED else child
            elif isinstance(child, dict) and len(path) < self._options.max_level:
                self._flatten(child, (*path, name), flat, rest)
            elif child is not None:
                rest.append(((*path, name), column, child))

    def _column(self, parents: Path, name: str) -> str:
        """Return the name of a property's column, as the SDK makes it, and remember it."""
        path = (*parents, name)
        column = self._name(path)
        if column in self._columns and self._owners.setdefault(column, path) != path:
            column = _another(path, self._columns)
        if self._left:
            self._left -= 1
            self._names.setdefault(parents, {})[name] = column
        return column

    def _name(self, path: Path) -> str:
        *parents, name = path
        length = self._options.max_key_length
        column: str = flatten_key(name, parents, self._options.separator, max_key_length=length)
        return column


def _paths(schema: dict[str, Any], max_level: int, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each property that a schema declares, and that becomes a column."""
    for name, prop in schema["properties"].items():
        if prop.get("properties") and len(path) < max_level:
            yield from _paths(prop, max_level, (*path, name))
        else:
            yield (*path, name)


def _another(path: Path, taken: Collection[str]) -> str:
    """Return another name for a property, where two make the same."""
    name = ".".join(path)
    while name in taken:
        name = f"{name}_"
    return name


def _json_text(value: object) -> str:
    """Return the JSON text that the SDK would write into a column."""
    text = encoder.encode(value).decode()
    if text.isascii():
        return text
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
