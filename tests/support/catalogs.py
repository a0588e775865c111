"""Catalogs as the tap discovers them, with things selected and deselected."""

import json
from pathlib import Path
from typing import Any

from dev.expected import STREAMS
from tests.support.fixtures import Json
from tests.support.in_process import run_tap_in_process

_discovered: list[str] = []


def catalog_of(folder: Path) -> Json:
    """Return what `--discover` prints; it is always the same, so it runs once."""
    if not _discovered:
        _discovered.append(run_tap_in_process(folder, None, "--discover").stdout)
    catalog: Json = json.loads(_discovered[0])
    return catalog


def selected_catalog(folder: Path, *streams: str) -> Json:
    """Return the catalog with streams selected, all of them by default, and the others not."""
    catalog = catalog_of(folder)
    select_only(catalog, *(streams or STREAMS))
    return catalog


def select_only(catalog: Json, *streams: str) -> None:
    """Select these streams, and deselect the others."""
    for stream in STREAMS:
        select(catalog, stream, selected=stream in streams)


def select(catalog: Json, stream: str, *path: str, selected: bool) -> None:
    """Select or deselect a stream, or a property by its path."""
    breadcrumb = [part for name in path for part in ("properties", name)]
    metadata_of(entry_of(catalog, stream), breadcrumb)["selected"] = selected


def entry_of(catalog: Json, stream: str) -> Json:
    """Return the entry of a stream."""
    (entry,) = [found for found in catalog["streams"] if found["tap_stream_id"] == stream]
    return entry  # type: ignore[no-any-return]


def metadata_of(entry: Json, breadcrumb: Any) -> Json:
    """Return the metadata of a breadcrumb; empty ones are added where it has none."""
    for item in entry["metadata"]:
        if item["breadcrumb"] == breadcrumb:
            return item["metadata"]  # type: ignore[no-any-return]
    entry["metadata"].append({"breadcrumb": breadcrumb, "metadata": {}})
    return entry["metadata"][-1]["metadata"]  # type: ignore[no-any-return]
