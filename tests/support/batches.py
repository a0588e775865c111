"""Batch files of the tap."""

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dev.running import Output


def batches(folder: Path, **settings: Any) -> dict[str, Any]:
    """Return settings for batch files in a folder, with other settings of `batch_config`."""
    encoding = {"format": "jsonl", "compression": "gzip"}
    storage = {"root": folder.as_uri(), "prefix": "croct-"}
    return {"batch_config": {"encoding": encoding, "storage": storage, **settings}}


def in_files(output: Output, stream: str) -> list[dict[str, Any]]:
    """Return the records of a stream in batch files."""
    return [
        json.loads(line)
        for message in output.of("BATCH")
        if message["stream"] == stream
        for url in message["manifest"]
        for line in gzip.open(url2pathname(urlsplit(url).path), "rt", encoding="utf-8")
    ]
