"""Writing Singer messages to standard output, and records into batch files."""

import contextlib
import gzip
import re
import select
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from singer_sdk.batch import Batcher
from singer_sdk.contrib.msgspec import MsgSpecWriter, decoder, encoder
from singer_sdk.helpers._batch import BatchConfig
from singer_sdk.singerlib.messages import Message
from typing_extensions import override
from upath import UPath

from tap_croct import SIGNALS
from tap_croct.errors import OutputError
from tap_croct.logs import NAME_LIMIT, guess, printable

_CHUNK = 1 << 18
"""Bytes that are written at once: a signal that arrives while a pipe is full waits for no more than
that. Each write lets the other thread run, so smaller ones take longer."""

_WAIT = 0.5  # seconds between two looks at whether a signal arrived while the output is full

_LEVEL = 4
"""Two fifths of the time of gzip's level 9, which is the SDK's; files are an eighth larger."""

_BATCH_NAMES = {
    "": ("encoding", "storage", "batch_size"),
    "encoding.": ("format", "compression"),
    "storage.": ("root", "prefix", "params"),
}
"""What the parts of `batch_config` can hold: anything else, the SDK answers with a TypeError."""

_FORBIDDEN = re.compile(r"[^\w.-]")  # in the name of a file


class MessageWriter(MsgSpecWriter):
    """Writes whole lines, whatever interrupts it.

    A signal that arrives while a line is being written ends the process after that line, not in the
    middle of it.
    """

    def __init__(self) -> None:
        """Create a writer."""
        super().__init__()
        self._writing = False
        self._signal: int | None = None

    @override
    def write_message(self, message: Message) -> None:
        """Write one message."""
        self.write_lines(bytes(self.format_message(message)))

    def write_records(
        self,
        stream: str,
        records: Iterable[dict[str, Any]],
        received: datetime,
        *,
        version: int | None = None,
    ) -> None:
        """Write a RECORD message for each of many records, all at once.

        Args:
            stream: Name of the stream.
            records: The records.
            received: When they were received.
            version: Version of the table, if there is one.

        Raises:
            RecursionError: If a record is nested too deeply; none of them is written then.
            OutputError: If standard output cannot be written.
            SystemExit: If a signal arrived; whole lines are written.
        """
        extracted = received.isoformat()
        messages: list[dict[str, Any]] = [
            {"type": "RECORD", "stream": stream, "record": record, "time_extracted": extracted}
            for record in records
        ]
        for message in messages if version is not None else ():
            message["version"] = version
        self.write_lines(encoder.encode_lines(messages))

    @contextlib.contextmanager
    def handling_signals(self) -> Iterator[None]:
        """Hold signals back during the context, which creates a tap, and handle them after it.

        The SDK's handlers, which a tap gets first, write a STATE message from wherever the signal
        strikes, be it in the middle of a line, and exit with 0.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            yield
        finally:
            for signum in SIGNALS if threading.current_thread() is threading.main_thread() else ():
                if signal.getsignal(signum) != signal.SIG_IGN:
                    signal.signal(signum, self._terminate)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _terminate(self, signum: int, _frame: object) -> None:
        """End the process as a signal asks, at once or after the line that is being written."""
        if self._writing:
            self._signal = signum
        else:
            raise SystemExit(128 + signum)

    def write_lines(self, lines: bytes) -> None:
        """Write lines, messages or not.

        Args:
            lines: Whole lines.

        Raises:
            OutputError: If standard output cannot be written.
            SystemExit: If a signal arrived; whole lines are written.
        """
        # Raw: its `write` tells how much it wrote when interrupted.
        output: Any = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        view = memoryview(lines)
        position, end = 0, len(lines)
        self._writing = True
        try:
            while position < end:
                count: int | None = output.write(view[position : min(position + _CHUNK, end)])
                if count is None:  # a non-blocking output that is full
                    select.select([], [output], [], _WAIT)
                else:
                    position += count
                if self._signal is not None:
                    end = _end_of_line(lines, position)
        except BrokenPipeError:
            # The reader is gone: nothing is left to do, and nothing to complain about.
            self._signal = self._signal or signal.SIGPIPE
        except OSError as error:
            message = f"Standard output cannot be written: {error.strerror or error}"
            raise OutputError(message) from error
        finally:
            self._writing = False
        if self._signal is not None:
            raise SystemExit(128 + self._signal)


def _end_of_line(lines: bytes, position: int) -> int:
    """Return where the line ends that is partly written; the position itself, between two lines."""
    if position == 0 or lines[position - 1] == ord("\n"):
        return position
    return lines.index(b"\n", position) + 1


class BatchFiles:
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
        folder, slash, prefix = (config.storage.prefix or "").rpartition("/")
        if slash:  # a local folder has to be made: the SDK makes the root
            root = f"{config.storage.root.rstrip('/')}/{folder}"
            config.storage = replace(config.storage, root=root, prefix=prefix)
        self.config = config
        """Encoding, storage and batch size."""

        self._tap = tap
        self._lines: dict[str, list[bytes]] = {}
        self._run = uuid4()
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether there are enough records of a stream for a file."""
        return any(len(lines) >= self.config.batch_size for lines in self._lines.values())

    def add(self, stream: str, records: Iterable[dict[str, Any]], _received: datetime) -> None:
        """Collect records.

        Args:
            stream: Name of the stream, after mapping.
            records: Its records.

        Raises:
            RecursionError: If a record is nested too deeply.
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
            except Exception as error:  # each package of a storage or format has errors of its own
                of_system = isinstance(error, OSError | ImportError)
                is_safe = of_system or self.config.encoding.format == "jsonl"  # quotes no record
                why = printable(error) if is_safe else type(error).__name__
                message = f"{stream}: the batch file cannot be written: {why}"
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


def wrong_batches(batches: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield a line for each mistake about batch files that the SDK's schema does not find.

    It allows any name, and does not know `batch_size`: with a negative one, no file would hold the
    records.

    Args:
        batches: The setting `batch_config`.
    """
    if not batches:
        return
    for path, names in _BATCH_NAMES.items():
        given = batches.get(path[:-1]) or {} if path else batches
        for name in sorted(given.keys() - names):
            what = printable(name, NAME_LIMIT)
            yield f"batch_config.{path}{what}: is not a setting{guess(name, names)}"
    for part, needed in (("encoding", "format"), ("storage", "root")):
        if not (batches.get(part) or {}).get(needed):
            yield f"batch_config.{part}.{needed}: is required for batch files"
    size = batches.get("batch_size")
    if size is not None and (type(size) is not int or size < 1):
        yield "batch_config.batch_size: must be an integer of at least 1"
    storage = {"root": ".", "params": {}, **(batches.get("storage") or {})}
    try:  # as the SDK does it with the first file
        _ = UPath(storage["root"] or ".", **storage["params"]).resolve().fs
    except Exception as error:  # noqa: BLE001 - each package of a storage has errors of its own
        yield f"batch_config.storage.root: cannot be written to: {printable(error)}"
