"""Catalogs as people and tools write them, made fit for the SDK."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, cast

from singer_sdk.singerlib import Catalog, Schema
from singer_sdk.singerlib.catalog import (
    REPLICATION_FULL_TABLE,
    REPLICATION_INCREMENTAL,
    Metadata,
    MetadataMapping,
)

from tap_croct.errors import InputError
from tap_croct.schemas import ADDITIONAL
from tap_croct.text import NAME_LIMIT, printable

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from singer_sdk.mapper import PluginMapper
    from singer_sdk.singerlib import CatalogEntry

    from tap_croct.sync import CroctStream


def check(catalog: dict[str, Any]) -> None:
    """Check that a catalog has the shape of one.

    Args:
        catalog: What was given as a catalog.

    Raises:
        InputError: If it has another shape.
    """
    try:
        streams = list(catalog["streams"])
        Catalog.from_dict({"streams": streams})
        for entry in streams:
            _check_keys(entry.get("key_properties"))
            for metadata in entry.get("metadata", []):
                _check_keys(metadata["metadata"].get("table-key-properties"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = (
            "--catalog is not a Singer catalog; `tap-croct --discover` prints one to start from"
        )
        raise InputError(message) from error


def _check_keys(keys: object) -> None:
    if keys is None or (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        return
    raise TypeError


def complete(
    catalog: Catalog, streams: Mapping[str, type[CroctStream]], logger: logging.Logger
) -> None:
    """Complete a catalog: keys, replication method, and what an export cannot do without.

    The primary key, the replication key and `additionalProperties` stay declared, the keys also
    selected. A stream is replicated by the key that the API sorts it by, unless the catalog asks
    for the full table.

    Args:
        catalog: The catalog; it is changed.
        streams: The streams by name.
        logger: For warnings about streams that are ignored.

    Raises:
        InputError: If it selects no stream, renames one, or names a key that does not exist.
    """
    for name, entry in catalog.items():
        if name in streams:
            _complete(entry, streams[name])
        else:
            logger.warning(
                "The catalog has a stream %s, which is not a stream of this tap: it is ignored",
                printable(name, NAME_LIMIT),
            )
    if not any(is_selected(entry) for name, entry in catalog.items() if name in streams):
        message = (
            "The catalog selects no stream, so nothing would be exported. Set `selected` to true "
            "in the metadata of a stream (with Meltano: `meltano select tap-croct '*' '*'`)"
        )
        raise InputError(message)


def is_selected(entry: CatalogEntry) -> bool:
    """Tell whether a catalog selects a stream.

    Args:
        entry: The stream's entry.
    """
    return entry.metadata.resolve_selection().get((), True)


def register(catalog: Catalog, mapper: PluginMapper) -> None:
    """Make the stream maps of all streams, whatever is selected.

    Args:
        catalog: The catalog; it is not changed.
        mapper: The SDK's mapper, which gets them.

    Raises:
        InputError: If flattening cuts the names of two columns to the same one.
    """
    try:
        mapper.register_raw_streams_from_catalog(_mappable(catalog))
    except ValueError as error:
        if not str(error).startswith("Duplicate column"):
            raise
        message = (
            f"{printable(error)}. `flattening_max_key_length` cuts the names of two columns to "
            "the same one: set it higher"
        )
        raise InputError(message) from None


def _mappable(catalog: Catalog) -> Catalog:
    """Return a catalog in which all streams have at least their keys.

    A map needs them in the schema, and the schema of a stream that is not selected is empty. It
    gets no more than the keys: its other properties could stop the run.
    """
    result = Catalog(catalog)
    for name, entry in catalog.items():
        if not is_selected(entry):
            properties = entry.schema.properties or {}
            keys = {key: properties[key] for key in entry.key_properties or ()}
            result[name] = copy.copy(entry)
            result[name].schema = dataclasses.replace(entry.schema, properties=keys)
            result[name].metadata = MetadataMapping()  # with no metadata, all is selected
    return result


def _complete(entry: CatalogEntry, stream: type[CroctStream]) -> None:
    name = entry.tap_stream_id
    if entry.stream not in (None, name):
        message = (
            f'The catalog calls the stream {name} "{printable(entry.stream, NAME_LIMIT)}". '
            "To rename a stream, use a stream map: "
            f'{{"{name}": {{"__alias__": "{printable(entry.stream, NAME_LIMIT)}"}}}}'
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
