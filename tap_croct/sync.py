"""From pages to messages: each page's records are written, then the bookmark follows."""

from __future__ import annotations

import abc
import math
import sys
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import FatalAPIError
from singer_sdk.helpers._batch import SDKBatchMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_croct.batches import BatchWriter
from tap_croct.bookmark import BOOKMARK, SCOPE, Bookmark, Scope
from tap_croct.client import ApiStream
from tap_croct.errors import InputError, OutputError, nested_too_deeply
from tap_croct.export import Export, Job
from tap_croct.progress import LIMIT_REACHED
from tap_croct.records import Records
from tap_croct.resume import HOUR

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context

    from tap_croct.export import ExportedPage
    from tap_croct.progress import Progress
    from tap_croct.resume import Resume


class CroctStream(ApiStream, abc.ABC):
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
        self._bookmark: dict[str, Any] | None = None
        self._warned: set[str] = set()

    # What differs between the streams

    @classmethod
    def own_keys(cls) -> tuple[str, str]:
        """Return the primary key and the replication key, whatever a catalog says."""
        return cls.primary_keys[0], str(cls.replication_key)  # type: ignore[index]

    def enrich(self, record: dict[str, Any], metadata: Any) -> None:
        """Add what the API does not send with an item.

        Args:
            record: The item, its times already converted; it is changed.
            metadata: Which application the items of its page belong to.
        """

    @property
    def event_types(self) -> list[str] | None:
        """The types of events to export; None for all of them."""
        return None

    # The page loop

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        # The SDK has no hook to write more than one record at a time, and its way of one record
        # (selection, child contexts, state, message, flush) costs ten times what the rest does.
        progress = self._begin()
        with self.get_record_counter() as counter, self.get_sync_timer(), progress.told():
            for page, by_stream in self._pages(progress):
                received = datetime.fromtimestamp(page.received / 1000, timezone.utc)
                for name, records in by_stream:
                    try:
                        self._tap.message_writer.write_records(
                            name, records, version=self._stream_version, time_extracted=received
                        )
                    except RecursionError as error:
                        raise nested_too_deeply(page.number) from error
                    counter.increment(len(records))
                self._move_bookmark(page)
                self._write_state()
        self._finalize_state(self.stream_state)
        self._write_state_message()
        yield from ()  # a generator, as the SDK wants it

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        # The SDK's way writes one file for all stream maps of a stream, with records as they are
        # before selection and maps: what a map hashes or leaves out would be in it.
        files = BatchWriter(self.tap_name, batch_config)
        progress = self._begin()
        with self.get_record_counter() as counter, self.get_sync_timer(), progress.told():
            try:
                for page, by_stream in self._pages(progress):
                    for name, records in by_stream:
                        files.add(name, records)
                        counter.increment(len(records))
                    self._move_bookmark(page)
                    if files.full:
                        self._write_files(files)
            except OutputError:
                raise
            except Exception:
                self._write_files(files)  # what came before the error
                raise
            self._write_files(files)
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _write_files(self, files: BatchWriter) -> None:
        config = files.config
        for name, manifest in files.write():
            self._tap.write_message(SDKBatchMessage(name, config.encoding, manifest))
        self._write_state()

    def _begin(self) -> Progress:
        streams = self._tap.streams.values()
        self._tap.run.announce((s.name, s.where_it_resumes()) for s in streams if s.selected)
        progress: Progress = self._tap.run.stream(self.name)
        return progress

    def _pages(
        self, progress: Progress
    ) -> Iterator[tuple[ExportedPage, list[tuple[str, list[dict[str, Any]]]]]]:
        """Yield each page and its records, by stream; the page after it is on its way by then."""
        records = Records(self, self.own_keys()[0], self.warn_once)
        job = self._job()
        progress.starts(job.start)
        try:
            for page in Export(self, job, self.logger).pages():
                progress.writes()
                count = len(page.items)
                for repair in page.repairs:
                    self.warn_once(repair)
                yield page, self._records_of(page, records)
                progress.page(page, count)
            if self._full_table and progress.reason == LIMIT_REACHED:
                what = "`max_records` was reached, and FULL_TABLE keeps no bookmark"
                self.logger.warning("%s: %s: every run exports the same records", self.name, what)
        except FatalAPIError as error:
            error.args = (f"{self.name}: {error}",)
            raise
        finally:
            self.close()
            self._tap.unknown |= records.unknown

    def _records_of(
        self, page: ExportedPage, records: Records
    ) -> list[tuple[str, list[dict[str, Any]]]]:
        try:
            return [*records.of(page.items, partial(self.enrich, metadata=page.metadata))]
        except RecursionError as error:
            raise nested_too_deeply(page.number) from error

    def where_it_resumes(self) -> Resume:
        """Return where a run of this stream resumes."""
        return self._job().start

    def _job(self) -> Job:
        config = self.config
        limits = (config.get("max_records"), self.ABORT_AT_RECORD_COUNT)
        return Job(
            stream=self.name,
            replication_key=self.own_keys()[1],
            bookmark=self._stored_bookmark(),
            scope=Scope.of({**config, "event_types": self.event_types}),
            lookback=config["lookback_hours"] * HOUR,
            time_unit=config["time_unit"],
            limit=min((limit for limit in limits if limit), default=math.inf),
        )

    def warn_once(self, message: str) -> None:
        """Log a warning, unless it was logged before.

        Args:
            message: What to say; the name of the stream is put before it.
        """
        if message not in self._warned:
            self._warned.add(message)
            self.logger.warning("%s: %s", self.name, message)

    # The bookmark

    @property
    def _full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    def _stored_bookmark(self) -> Bookmark:
        state = {} if self._full_table else self.stream_state
        try:
            return Bookmark.of(state)
        except ValueError as error:
            message = f"The state of {self.name}: {error}. Without it, the export starts over"
            raise InputError(message) from error

    def _move_bookmark(self, page: ExportedPage) -> None:
        if page.bookmark is not None and not self._full_table:
            self._bookmark = page.bookmark

    def _write_state(self) -> None:
        self.state_manager.is_flushed = False
        self._write_state_message()

    @override
    def _write_state_message(self) -> None:
        # The only place where the state changes: ahead of its message, it would be ahead of the
        # records whenever something comes between (a batch that is not written yet, a signal).
        if self._full_table:
            self._bookmark = {}
        if self._bookmark is not None:
            for name in (*BOOKMARK, SCOPE):
                self.stream_state.pop(name, None)
            self.stream_state.update(self._bookmark)
        super()._write_state_message()

    @override
    def log_sync_costs(self) -> None:
        """Tell what the schemas do not know, and what the run came to, once.

        The SDK calls this when all streams are done.
        """
        super().log_sync_costs()
        self._tap.report_unknown()
        self._tap.run.end()
