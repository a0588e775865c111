"""Catalogs as the tap discovers them, with things selected and deselected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dev.expected import STREAMS
from tests.support.in_process import run_tap_in_process

if TYPE_CHECKING:
    from pathlib import Path


def catalog_of(folder: Path) -> dict[str, Any]:
    """Return what `--discover` prints."""
    catalog: dict[str, Any] = json.loads(run_tap_in_process(folder, None, "--discover").stdout)
    return catalog


def selected_catalog(folder: Path, *streams: str) -> dict[str, Any]:
    """Return the catalog with streams selected, all of them by default, and the others not."""
    catalog = catalog_of(folder)
    for stream in STREAMS:
        select(catalog, stream, selected=stream in (streams or STREAMS))
    return catalog


def select(catalog: dict[str, Any], stream: str, *path: str, selected: bool) -> None:
    """Select or deselect a stream, or a property by its path."""
    breadcrumb = [part for name in path for part in ("properties", name)]
    for entry in catalog["streams"]:
        if entry["tap_stream_id"] == stream:
            for metadata in entry["metadata"]:
                if metadata["breadcrumb"] == breadcrumb:
                    metadata["metadata"]["selected"] = selected
                    return
    raise KeyError((stream, path))
