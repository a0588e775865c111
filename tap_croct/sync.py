"""From pages to messages: each page's records are written, then the bookmark follows."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timezone
from functools import partial
from typing import Any

from singer_sdk.exceptions import FatalAPIError
from singer_sdk.helpers._batch import (
    BatchConfig,
    SDKBatchMessage,  # the SDK has no public name for it
)
from singer_sdk.helpers.types import Context
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_croct import times
from tap_croct.bookmark import BOOKMARK, Bookmark
from tap_croct.client import ApiStream
from tap_croct.decode import Page
from tap_croct.errors import ApiError, OutputError
from tap_croct.export import EMPTY_PAGES, LIMIT_REACHED, MOST_EMPTY, Export, ExportedPage
from tap_croct.logs import counted
from tap_croct.mapping import Records
from tap_croct.messages import BatchFiles
from tap_croct.records import Record

Write = Callable[[str, list[Record], datetime], None]


PROGRESS_EVERY = 10.0
"""Seconds between two lines about the progress of a stream, at least."""


_UNREADABLE: dict[type[Exception], str] = {
    # Neither decoder nor encoder can follow it.
    RecursionError: "a record is nested too deeply to be read. Please report this to Croct",
    # Those that the API sends are replaced.
    UnicodeEncodeError: "a stream map yields an unpaired surrogate, which is not text",
}


class CroctStream(ApiStream):
    """A stream of the Export API.

    A page is asked for while the one before it is written; the bookmark follows a page once its
    records are written.
    """

    _tap: Any  # a TapCroct: naming its type would be an import upward

    @override
    def __init__(self, tap: Any) -> None:
        """Create the stream.

        Args:
            tap: The tap that it belongs to, a `TapCroct`.
        """
        super().__init__(tap)
        self.records_written = 0
        """How many records were exported, so far."""

        self.end: str | None = None
        """Why the export ended; one of the reasons in `export`."""

        self._left: dict[str, Any] | None = None  # state after the last page that was written
        self._latest: int | None = None
        self._warned: set[str] = set()

    # What differs between the streams

    @classmethod
    def own_keys(cls) -> tuple[str, str]:
        """Return the primary key and the replication key, whatever a catalog says."""
        return cls.primary_keys[0], str(cls.replication_key)  # type: ignore[index]

    def enrich(self, records: list[Record], metadata: Any) -> None:
        """Add what the API does not send with an item.

        Args:
            records: The items of a page, their times already converted; they are changed.
            metadata: Which application they belong to.
        """

    # The page loop

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        # The SDK has no hook to write more than one record at a time, and its way of one record
        # (selection, child contexts, state, message, flush) costs ten times what the rest does.
        write = partial(self._tap.message_writer.write_records, version=self._stream_version)
        for _ in self._export(write):
            self._write_state()
        yield from ()  # a generator, as the SDK wants it

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        # The SDK's way writes one file for all stream maps of a stream, with records as they are
        # before selection and maps: what a map hashes or leaves out would be in it.
        files = BatchFiles(self.tap_name, batch_config)
        try:
            for _ in self._export(files.add):
                if files.full:
                    self._write_batches(files)
        except OutputError:  # to write once more would add to a line that is cut
            raise
        except Exception:
            self._write_batches(files)  # what came before the error
            raise
        self._write_batches(files)

    def _write_batches(self, files: BatchFiles) -> None:
        encoding, version = files.config.encoding, self._stream_version
        for name, manifest in files.write():
            self._tap.write_message(SDKBatchMessage(name, encoding, manifest, version))
        self._write_state()

    def _export(self, write: Write) -> Iterator[ExportedPage]:
        """Export the stream: write the records of each page, then yield it."""
        records = Records(self, self.own_keys()[0], self._warn_once)
        saved = Bookmark.of({} if self._is_full_table else self.stream_state)
        limits = [n for n in (self.config.get("max_records"), self.ABORT_AT_RECORD_COUNT) if n]
        export = Export(self, saved, min(limits, default=math.inf))
        start = export.start
        if start.warning:
            self._warn_once(f"{start.warning}: exporting {start.text}, once")
        self._log(f"{'starts' if start.from_scratch else 'resumes'} {start.text}")
        self.end, self._pages = None, 0
        self._started = logged = time.monotonic()
        with self.get_record_counter() as counter, self.get_sync_timer():
            try:
                for exported in export.pages():
                    count = len(exported.page.items)
                    self._write_page(exported.page, records, write)
                    counter.increment(count)
                    self.records_written += count
                    self._left = self._left if exported.state is None else exported.state
                    yield exported
                    self._pages += 1
                    self._latest, self.end = exported.latest, exported.end
                    if time.monotonic() - logged >= PROGRESS_EVERY:
                        logged = time.monotonic()
                        self._log(self._reached())
                seconds = time.monotonic() - self._started
                self._log(f"done ({self.end}): {self._reached()}, in {seconds:.1f} s")
            except FatalAPIError as error:
                error.args = (f"{self.name}: {error}",)
                raise
            except (RecursionError, UnicodeEncodeError) as error:
                message = f"{self.name}: page {self._pages + 1}: {_UNREADABLE[type(error)]}"
                raise ApiError(message) from error
            finally:
                if self.end is None:
                    self._log(f"stopped: {self._reached()}")
                self.close()
                self._tap.unknown |= records.unknown
        if self.end == EMPTY_PAGES:
            what = "pages without records in a row, though the API says that more follow"
            self._warn_once(f"{MOST_EMPTY} {what}")
        if self._is_full_table and self.end in (LIMIT_REACHED, EMPTY_PAGES):
            what = f"it stopped early ({self.end}), and FULL_TABLE keeps no bookmark"
            self._warn_once(f"{what}: the next run starts from the beginning again")

    def _write_page(self, page: Page, records: Records, write: Write) -> None:
        for repair in page.repairs:
            self._warn_once(repair)
        received = datetime.fromtimestamp(page.received / 1000, timezone.utc)
        for name, rows in records.of(page.items, partial(self.enrich, metadata=page.metadata)):
            write(name, rows, received)
        page.items.clear()  # the next page takes half the time in the same memory

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self.logger.warning("%s: %s", self.name, message)

    def _reached(self) -> str:
        seconds = max(time.monotonic() - self._started, 0.001)
        latest = ""
        if self._latest is not None:
            latest = f", up to {times.to_rfc3339(self._latest)[:16]}Z"
        records, pages = counted(self.records_written, "record"), counted(self._pages, "page")
        return f"{records} in {pages}, {self.records_written / seconds:,.0f}/s{latest}"

    def _log(self, text: str) -> None:
        self.logger.info("%s: %s", self.name, text)

    # The bookmark

    @property
    def _is_full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    def _write_state(self) -> None:
        """Write the state as it is after the last page.

        `stream_state` changes only here, together with its message. Changed earlier, a message
        that the SDK causes would name a page that is not written yet.
        """
        left = {} if self._is_full_table else self._left
        if left is not None:
            for name in BOOKMARK:
                self.stream_state.pop(name, None)
            self.stream_state.update(left)
        self._tap.state_writer.write_state(self.tap_state)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return none: the state holds nothing that only an unfinished run needs."""

    @override
    def log_sync_costs(self) -> None:
        """Log the summary of the run, once: the SDK calls this when all streams are done."""
        super().log_sync_costs()
        self._tap.log_summary()
