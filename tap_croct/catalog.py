"""Catalogs as people and tools write them: checked, and made fit for the SDK."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from singer_sdk.singerlib import Catalog, Schema
from singer_sdk.singerlib.catalog import (
    REPLICATION_FULL_TABLE,
    REPLICATION_INCREMENTAL,
    Metadata,
)

from tap_croct.errors import InputError
from tap_croct.logs import MISSPELT, NAME_LIMIT, guess, printable
from tap_croct.schemas import ADDITIONAL

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.singerlib import CatalogEntry

    from tap_croct.sync import CroctStream

    Streams = Mapping[str, type[CroctStream]]

_SELECTED = "selected"
_BY_DEFAULT = "selected-by-default"
_BOOLEANS = {"true": True, "false": False}
_INCLUSION = "inclusion"
_METHOD, _FORCED_METHOD = "replication-method", "forced-replication-method"

Breadcrumb = tuple[str, ...]


def checked(catalog: dict[str, Any], streams: Streams) -> dict[str, Any]:
    """Check a catalog, and say in one place, its metadata, what it selects.

    Args:
        catalog: What was given as a catalog.
        streams: The streams by name.

    Returns:
        A copy in which what it says of selection in other places is metadata, too.

    Raises:
        InputError: If it is not a catalog, or something that it says of selection has no effect.
    """
    catalog = copy.deepcopy(catalog)
    try:
        entries = list(catalog["streams"])
        names = Counter(entry["tap_stream_id"] for entry in entries)
        mistakes = [f"{_quoted(n)} stands in it {c} times" for n, c in names.items() if c > 1]
        for entry in entries:
            if entry["tap_stream_id"] in streams:
                mistakes += _Entry(entry, streams[entry["tap_stream_id"]]).mistakes
        if not mistakes:
            Catalog.from_dict({"streams": entries})
        for entry in entries:
            _check_keys(entry.get("key_properties"))
            for metadata in entry.get("metadata", ()):
                _check_keys(metadata["metadata"].get("table-key-properties"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = (
            "--catalog is not a Singer catalog; `tap-croct --discover` prints one to start from"
        )
        raise InputError(message) from error
    if mistakes:
        raise InputError(*(f"--catalog: {mistake}" for mistake in mistakes))
    return catalog


def _check_keys(keys: object) -> None:
    if keys is None:
        return
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
        raise TypeError


class _Entry:
    """An entry of a catalog: what it says of selection works, or is a mistake."""

    def __init__(self, entry: dict[str, Any], stream: type[CroctStream]) -> None:
        self.mistakes: list[str] = []
        self._name = entry["tap_stream_id"]
        schema = entry.setdefault("schema", {})
        self._schemas = [cast("dict[str, Any]", stream.schema), schema]
        self._metadata: dict[Breadcrumb, dict[str, Any]] = {}
        keys = (*stream.own_keys(), *(entry.get("key_properties") or ()))
        self._keys = [(key,) for key in keys]
        for item in entry.setdefault("metadata", []):
            self._take(item["breadcrumb"], item["metadata"])
        everything = not self._metadata
        self._merge("its entry", (), entry)
        for item in entry["metadata"]:
            place = f"the item of {_shown(item['breadcrumb'])}, beside `metadata`"
            self._merge(place, item["breadcrumb"], item)
        for path, part in _parts(schema):
            self._merge(f"its schema at {_shown(path)}", path, part)
        for path, metadata in self._metadata.items():
            self._check_inclusion(path, metadata)
        if everything and self._metadata:  # else the SDK would take all that is not named for out
            self._metadata.setdefault((), {}).setdefault(_SELECTED, True)
        entry["metadata"] = [
            {"breadcrumb": list(breadcrumb), "metadata": metadata}
            for breadcrumb, metadata in self._metadata.items()
        ]

    def _take(self, breadcrumb: object, metadata: dict[str, Any]) -> None:
        """Take an item of the metadata."""
        if not isinstance(breadcrumb, list) or not all(isinstance(b, str) for b in breadcrumb):
            names = str(breadcrumb).replace("properties", "").strip(".,/ ").split(".")
            self._mistake(breadcrumb, f"must be a list such as {_shown(_path(names))}")
            return
        path = tuple(breadcrumb)
        if path in self._metadata:
            self._mistake(path, "stands in the metadata twice")
        self._check_names(metadata, f"the metadata of {_shown(path)}", _SELECTED, _BY_DEFAULT)
        for key in (_SELECTED, _BY_DEFAULT):
            if key in metadata:
                metadata[key] = self._boolean(path, key, metadata[key])
        if any(metadata.get(key) is not None for key in (_SELECTED, _BY_DEFAULT)):
            self._check_path(path)
        if _METHOD in metadata:  # as Meltano's docs call it
            metadata.setdefault(_FORCED_METHOD, metadata[_METHOD])
        self._metadata[path] = metadata

    def _check_inclusion(self, path: Breadcrumb, metadata: dict[str, Any]) -> None:
        inclusion = metadata.get(_INCLUSION)
        kinds = [kind.value for kind in Metadata.InclusionType]
        if inclusion is not None and inclusion not in kinds:
            self._mistake(path, f"`{_INCLUSION}` must be one of {', '.join(kinds)}")
        automatic = inclusion == Metadata.InclusionType.AUTOMATIC
        said = [metadata.get(key) for key in (_SELECTED, _BY_DEFAULT)]
        if automatic and False in said and path[1:] not in self._keys:
            text = "cannot be deselected while its `inclusion` is `automatic`: write `available`"
            self._mistake(path, text)

    def _merge(self, place: str, path: Iterable[str], given: dict[str, Any]) -> None:
        """Take what another place than the metadata says of selection, out of that place."""
        self._check_names(given, place, _SELECTED)
        value = self._boolean(path, _SELECTED, given.pop(_SELECTED, None))
        if given.get(_INCLUSION) == Metadata.InclusionType.UNSUPPORTED:
            value = False
        if value is None:
            return
        breadcrumb = tuple(path)
        self._check_path(breadcrumb)
        said = self._metadata.setdefault(breadcrumb, {}).setdefault(_SELECTED, value)
        if said is None:
            self._metadata[breadcrumb][_SELECTED] = value
        elif said != value:
            text = (
                f"`selected` is {json.dumps(said)} in the metadata, {json.dumps(value)} in {place}"
            )
            self._mistake(breadcrumb, f"{text}: write it in the metadata only")

    def _boolean(self, breadcrumb: Iterable[str], key: str, value: object) -> object:
        if isinstance(value, str):
            value = _BOOLEANS.get(value.strip().lower(), value)
        if value is not None and not isinstance(value, bool):
            self._mistake(breadcrumb, f"`{key}` must be true or false")
        return value

    def _check_names(self, given: dict[str, Any], where: str, *known: str) -> None:
        """Find misspelt keys about selection; others may be anything, as other tools write them."""
        for key in sorted(given.keys() - {*known, _INCLUSION}):
            spelt = key.lower().replace("_", "-").removeprefix("is-")
            if meant := guess(spelt, (_SELECTED, _BY_DEFAULT, _INCLUSION), MISSPELT):
                text = f"{printable(key, NAME_LIMIT)} in {where} is not a key"
                text += " there: write it in the metadata" if key == _BY_DEFAULT else meant
                self.mistakes.append(f"{_quoted(self._name)}: {text}")

    def _check_path(self, breadcrumb: Breadcrumb) -> None:
        """Find breadcrumbs that select nothing, as far as the schema tells."""
        schemas, path = self._schemas, list(breadcrumb)
        while path:
            parent = breadcrumb[: len(breadcrumb) - len(path)]
            types = {kind for schema in schemas for kind in schema.get("type", ())}
            if parent and types and "object" not in types:
                text = "lists are exported whole, or not" if "array" in types else "it has no parts"
                self._mistake(breadcrumb, f"nothing below {_shown(parent)} can be selected: {text}")
                return
            if path[0] != "properties" or len(path) == 1:
                names = [name for name in breadcrumb if name.lower() != "properties"]
                self._mistake(breadcrumb, f"must be written {_shown(_path(names))}")
                return
            name, path = path[1], path[2:]
            below = [schema.get("properties") or {} for schema in schemas]
            if not any(name in properties for properties in below):
                self._check_undeclared(breadcrumb, parent, name, {n for p in below for n in p})
                return
            schemas = [properties[name] for properties in below if name in properties]

    def _check_undeclared(
        self, breadcrumb: Breadcrumb, parent: Breadcrumb, name: str, declared: set[str]
    ) -> None:
        shown = printable(name, NAME_LIMIT)
        if not parent:
            text = (
                f"there is no property {shown}{guess(name, declared)} What the schema lacks lands "
                f"in {ADDITIONAL}.{shown}, which is {_shown(_path([ADDITIONAL, name]))}"
            )
            self._mistake(breadcrumb, text)
        elif meant := guess(name, declared, MISSPELT):
            self._mistake(breadcrumb, f"there is no property {shown}{meant}")

    def _mistake(self, breadcrumb: object, text: str) -> None:
        self.mistakes.append(f"{_quoted(self._name)}: breadcrumb {_shown(breadcrumb)}: {text}")


def _parts(schema: object, path: Breadcrumb = ()) -> Iterator[tuple[Breadcrumb, dict[str, Any]]]:
    """Yield the parts of a schema in which something may be said of selection."""
    if isinstance(schema, dict):
        yield path, schema
        for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from _parts(branch, path)
        yield from _parts(schema.get("items"), (*path, "items"))
        for name, below in (schema.get("properties") or {}).items():
            yield from _parts(below, (*path, "properties", name))


def _path(names: Any) -> Breadcrumb:
    return tuple(part for name in names for part in ("properties", name))


def _shown(breadcrumb: object) -> str:
    return printable(json.dumps(breadcrumb, ensure_ascii=False, default=str))


def _quoted(name: object) -> str:
    return f'the stream "{printable(name, NAME_LIMIT)}"'


def complete(catalog: Catalog, streams: Streams, logger: logging.Logger) -> None:
    """Complete a catalog: keys, replication method, and what an export cannot do without.

    The primary key, the replication key and `additionalProperties` stay declared, the keys also
    selected. A stream is replicated by the key that the API sorts it by, unless the catalog asks
    for the full table.

    Args:
        catalog: The catalog; it is changed.
        streams: The streams by name.
        logger: For warnings about streams that are ignored.

    Raises:
        InputError: If it renames a stream, or names a key that does not exist.
    """
    for name, entry in catalog.items():
        if name in streams:
            _complete(entry, streams[name])
        else:
            logger.warning(
                "The catalog has a stream %s, which is not a stream of this tap: it is ignored",
                printable(name, NAME_LIMIT),
            )


def _complete(entry: CatalogEntry, stream: type[CroctStream]) -> None:
    name = entry.tap_stream_id
    if entry.stream not in (None, name):
        other = printable(entry.stream, NAME_LIMIT)
        message = (
            f'The catalog calls the stream {name} "{other}". To rename a stream, use a stream map: '
            f'{{"{name}": {{"__alias__": "{other}"}}}}'
        )
        raise InputError(message)
    key, replication_key = stream.own_keys()
    properties = dict(entry.schema.properties or {})
    entry.schema.properties = properties
    for own in (key, replication_key, ADDITIONAL):  # catalogs of 0.1.0 lack the last
        declared = cast("dict[str, Any]", stream.schema)["properties"][own]
        properties.setdefault(own, Schema.from_dict(declared))
    everything = not entry.metadata
    root = entry.metadata.root
    root.selected = True if everything else root.selected
    keys = [key]
    for given in (root.table_key_properties, entry.key_properties):
        keys = keys if given is None else list(given)
    # The SDK's streams and its stream maps look for the keys in different places.
    root.table_key_properties = entry.key_properties = keys
    for automatic in {*keys, key, replication_key}:
        if automatic not in properties:
            message = (
                f"The catalog gives {name} the key `{printable(automatic, NAME_LIMIT)}`, "
                "which is not a property of its schema"
            )
            raise InputError(message)
        metadata = entry.metadata[("properties", automatic)]
        metadata.inclusion = Metadata.InclusionType.AUTOMATIC
    if REPLICATION_FULL_TABLE in {entry.replication_method, root.forced_replication_method}:
        entry.replication_method = REPLICATION_FULL_TABLE
    else:
        entry.replication_method = REPLICATION_INCREMENTAL
        entry.replication_key = replication_key
