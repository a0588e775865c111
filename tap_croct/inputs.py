"""What a run is given beside its settings: files, the state, the catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib import Catalog, Schema
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, Metadata

from tap_croct import times
from tap_croct.bookmark import BOOKMARK, SCOPE
from tap_croct.errors import InputError

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Mapping

    from tap_croct.sync import CroctStream


def read_object(text: str, source: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        text: JSON.
        source: What it is called in the message, such as `--state`.

    Raises:
        InputError: If it is no JSON, or no object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        what = (
            f"is no JSON: {error}" if text.strip() else "is empty; `{}` is an object with nothing"
        )
        message = f"{source} {what}"
        raise InputError(message) from None
    if not isinstance(value, dict):
        message = f"{source} must be a JSON object"
        raise InputError(message)
    return value


def check_catalog(catalog: dict[str, Any]) -> None:
    """Check that a catalog has the shape of one.

    Raises:
        InputError: If it has not.
    """
    try:
        Catalog.from_dict({"streams": list(catalog["streams"])})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = "--catalog is no catalog; `tap-croct --discover` prints one to start from"
        raise InputError(message) from error


def checked_state(
    state: dict[str, Any], streams: Iterable[str], logger: logging.Logger
) -> dict[str, Any]:
    """Return the bookmarks of a state, without what no finished run leaves.

    Args:
        state: A state, or a STATE message around one.
        streams: Names of the streams.
        logger: For a warning about bookmarks of other streams.

    Raises:
        InputError: If a bookmark can't be one.
    """
    if state.get("type") == "STATE":
        state = state.get("value", {})
    if not state:
        return {}
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict):
        message = (
            'The state must look like {"bookmarks": {"events": {…}}}; `{}` starts from scratch'
        )
        raise InputError(message)
    for name, bookmark in bookmarks.items():
        if not isinstance(bookmark, dict):
            message = f"The state of {name} must be an object"
            raise InputError(message)
        if name not in streams:
            logger.warning("The state has a bookmark of %s, and there is no such stream", name)
    return {
        "bookmarks": {
            name: _checked_bookmark(name, bookmark) if name in streams else bookmark
            for name, bookmark in bookmarks.items()
        }
    }


def _checked_bookmark(stream: str, bookmark: dict[str, Any]) -> dict[str, Any]:
    checked = {name: bookmark[name] for name in BOOKMARK if bookmark.get(name) not in (None, "")}
    for name, value in checked.items():
        if not isinstance(value, str):
            message = (
                f"The state of {stream} has a `{name}` that is no string. Without its `cursor` "
                "the export goes on by time, without its bookmark from the beginning"
            )
            raise InputError(message)
    try:
        times.parse(checked.get("replication_key_value", "2000-01-01"))
    except (ValueError, OverflowError):
        message = f"The state of {stream} has a `replication_key_value` that is no time"
        raise InputError(message) from None
    if isinstance(bookmark.get(SCOPE), dict):
        return {**checked, SCOPE: bookmark[SCOPE]}
    return checked


def keep_keys(
    catalog: Catalog, streams: Mapping[str, type[CroctStream]], logger: logging.Logger
) -> None:
    """Give a catalog back what no export can do without.

    The primary key and the replication key stay selected, and declared; a stream is replicated by
    the key that the API orders it by, unless the catalog asks for the full table.

    Args:
        catalog: The catalog; it is changed.
        streams: The streams by name.
        logger: For warnings about a catalog that may not mean what it says.
    """
    for name, entry in catalog.items():
        if name not in streams:
            logger.warning("The catalog has a stream %s, and there is no such stream", name)
            continue
        stream = streams[name]
        keys = stream.own_keys()
        entry.schema.properties = dict(entry.schema.properties or {})
        for key in keys:
            entry.metadata[("properties", key)].inclusion = Metadata.InclusionType.AUTOMATIC
            declared = Schema.from_dict(stream.schema["properties"][key])  # type: ignore[index]
            entry.schema.properties.setdefault(key, declared)
        root = entry.metadata.root
        if entry.key_properties is None and root.table_key_properties is None:
            entry.key_properties = [keys[0]]
        if REPLICATION_FULL_TABLE not in {
            entry.replication_method,
            root.forced_replication_method,
        }:
            entry.replication_key = keys[1]
    selected = (entry.metadata.resolve_selection().get((), True) for entry in catalog.values())
    if not any(selected):
        logger.warning("The catalog selects no stream: nothing is exported")
