"""Batch files: records in files instead of one message each."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from singer_sdk.batch import Batcher
from singer_sdk.contrib.msgspec import decoder, encoder

from tap_croct.errors import OutputError
from tap_croct.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers._batch import BatchConfig

_LEVEL = 4
"""Two fifths of the time of level 9, which is the SDK's, for files that are an eighth larger."""

_FORBIDDEN = re.compile(r"[^\w.-]")  # in the name of a file


class BatchWriter:
    """Collects encoded records, and writes them into files: each stream into files of its own."""

    def __init__(self, tap: str, config: BatchConfig) -> None:
        """Start with nothing collected.

        Args:
            tap: Name of the tap, for the names of the files.
            config: Encoding, storage and batch size; where it does not say how JSON Lines are
                compressed, it is made to say gzip: a target goes by what the message says.
        """
        if config.encoding.format == "jsonl" and config.encoding.compression is None:
            config.encoding.compression = "gzip"
        self._tap = tap
        self.config = config
        """Encoding, storage and batch size."""

        self._lines: dict[str, list[bytes]] = {}
        self._run = uuid4()
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether there are enough records of a stream for a file."""
        return any(len(lines) >= self.config.batch_size for lines in self._lines.values())

    def add(self, stream: str, records: Sequence[Any]) -> None:
        """Collect records.

        Args:
            stream: Name of the stream, after mapping.
            records: Its records.
        """
        lines = self._lines.setdefault(stream, [])
        lines.extend(encoder.encode(record) for record in records)

    def write(self) -> Iterator[tuple[str, list[str]]]:
        """Write what was collected; no file has more records than a batch.

        Yields:
            The name of each stream, and the URLs of its files.

        Raises:
            OutputError: If a file cannot be written; its records stay collected.
        """
        for stream, lines in self._lines.items():
            if not lines:
                continue
            try:
                urls = [*self._files(stream, lines)]
            except (OSError, ImportError) as error:  # a package for another format or storage
                message = f"{stream}: the batch file cannot be written: {printable(error)}"
                raise OutputError(message) from error
            yield stream, urls
            lines.clear()

    def _files(self, stream: str, lines: list[bytes]) -> Iterator[str]:
        config = self.config
        if config.encoding.format != "jsonl":  # another encoder of the SDK's, such as parquet
            batcher = Batcher.get_batcher(config.encoding.format)(self._tap, stream, config)
            for manifest in batcher.get_batches(map(decoder.decode, lines)):
                yield from manifest
            return
        packed = config.encoding.compression == "gzip"
        for start in range(0, len(lines), config.batch_size):
            self._count += 1
            part = f"{self._tap}--{_FORBIDDEN.sub('_', stream)}-{self._run}-{self._count}"
            name = f"{config.storage.prefix or ''}{part}.json{'.gz' if packed else ''}"
            content = b"\n".join([*lines[start : start + config.batch_size], b""])
            with config.storage.open(name, "wb") as file:
                file.write(gzip.compress(content, _LEVEL) if packed else content)
            yield str(config.storage.get_url(name))
