"""Batch files of the tap."""

from pathlib import Path
from typing import Any

from dev.crashes import GZIP, records_of
from dev.running import Output


def batches(folder: Path, **settings: Any) -> dict[str, Any]:
    """Return settings for batch files in a folder, with other settings of `batch_config`."""
    storage = {"root": folder.as_uri(), "prefix": "croct-"}
    return {"batch_config": {"encoding": GZIP, "storage": storage, **settings}}


def in_files(output: Output, stream: str) -> list[dict[str, Any]]:
    """Return the records of a stream in batch files."""
    return [
        record
        for message in output.of("BATCH")
        for name, record in records_of(message)
        if name == stream
    ]
