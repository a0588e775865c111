"""One run through a stream: which page comes next, and the bookmark that holds after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import FatalAPIError

from tap_croct import resume, times
from tap_croct.asking import Requests
from tap_croct.bookmark import Bookmark
from tap_croct.errors import ApiError, CursorRejectedError, nested_too_deeply
from tap_croct.pagination import CursorPaginator

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from tap_croct.asking import Api
    from tap_croct.bookmark import Scope
    from tap_croct.resume import Resume
    from tap_croct.times import Window


class ExportedPage(msgspec.Struct, frozen=True):
    """A page, and the facts about it: all that the writer has to know.

    Attributes:
        number: Its number in this run, from 1.
        items: The items; see `decode.Page`. They belong to the writer.
        metadata: Which application the items belong to.
        repairs: What had to be changed so that the page could be read.
        bookmark: The state of the stream once all records of the page are written; None if it
            stays as it is.
        latest: The latest time seen so far, in milliseconds since the epoch.
        requests: How many requests were sent since the page before.
        retries: How many of them were retries.
        received: When the page was received, in milliseconds since the epoch.
        end: Why the export ends with this page; None if it does not.
    """

    number: int
    items: list[dict[str, Any]]
    metadata: Any = None
    repairs: tuple[str, ...] = ()
    bookmark: dict[str, Any] | None = None
    latest: int | None = None
    requests: int = 1
    retries: int = 0
    received: int = 0
    end: str | None = None


class Job(msgspec.Struct, frozen=True):
    """What to export.

    Attributes:
        stream: Name of the stream.
        replication_key: The property that holds the time by which the API orders the records.
        bookmark: Where the last run stopped.
        scope: What the export is limited to.
        lookback: How late records may arrive, in milliseconds.
        time_unit: Unit in which the API takes the window: `milliseconds`, `seconds` or `auto`.
        limit: Number of records after which the run stops with the page that reaches it.
    """

    stream: str
    replication_key: str
    bookmark: Bookmark
    scope: Scope
    lookback: int
    time_unit: str
    limit: float

    @property
    def start(self) -> Resume:
        """Where the run resumes."""
        return resume.where(self.bookmark, self.scope, self.lookback, _now())


class Export:
    """The pages of a stream, from its bookmark on.

    Each page is asked for before the one ahead of it is yielded: the API works, and the response
    arrives, while that is written.
    """

    def __init__(self, api: Api, job: Job, logger: logging.Logger) -> None:
        """Prepare a run.

        Args:
            api: Where pages come from.
            job: What to export.
            logger: For warnings.
        """
        self._requests = Requests(api, job.stream, logger)
        self._job = job
        self._logger = logger
        self._start = job.start
        self._latest = self._start.latest
        self._unmoved: dict[str, Any] | None = {} if self._start.anew else None
        self._pages = self._records = 0

    def pages(self) -> Iterator[ExportedPage]:
        """Yield the pages; once, when the API no longer accepts the cursor, resume by time.

        Raises:
            ApiError: If the API refuses, or did not answer after all retries.
        """
        try:
            yield from self._read(self._start.cursor, self._start.window)
        except CursorRejectedError as rejected:
            yield from self._recover(rejected)

    def _recover(self, rejected: CursorRejectedError) -> Iterator[ExportedPage]:
        job = self._job
        self._requests.by_time = True
        start = resume.by_time(job.scope, job.lookback, self._latest)
        self._logger.warning("%s: %s. Resuming %s", job.stream, rejected, start.text)
        scope = job.bookmark.scope if self._pages == 1 else job.scope  # none was read, or some
        left = Bookmark(latest=self._latest, scope=scope)
        self._unmoved = {} if start.anew else left.as_state(job.replication_key)
        pages = self._read(None, start.window)
        try:
            first = next(pages, None)
        except FatalAPIError as error:
            message = f"{rejected}. The request by time, instead, failed as well: {error}"
            raise ApiError(message) from error
        if first is not None:
            yield first
            yield from pages

    def _read(self, cursor: str | None, window: Window) -> Iterator[ExportedPage]:
        if window.empty:
            yield self._no_page("end_date")
            return
        time_unit = self._requests.time_unit(self._job.time_unit) if window else "milliseconds"
        if time_unit is None:
            yield self._no_page("nothing to export yet")
            return
        paginator = CursorPaginator(cursor)
        asked = _now()
        while True:
            page = self._next_page(paginator, window, time_unit, asked)
            if page.end is not None:
                yield page
                return
            asked = _now()
            self._requests.prefetch(paginator.current_value, window.params(time_unit))
            yield page

    def _next_page(
        self, paginator: CursorPaginator, window: Window, time_unit: str, asked: int
    ) -> ExportedPage:
        """Fetch a page.

        Args:
            paginator: Knows the page's cursor.
            window: What to export.
            time_unit: Unit in which the API takes the window.
            asked: When the page was asked for first, in milliseconds since the epoch: what is
                written at the API later may not be in it.
        """
        self._pages += 1
        try:
            fetched = self._requests.page(paginator.current_value, window.params(time_unit))
        except RecursionError as error:
            raise nested_too_deeply(self._pages) from error
        page = fetched.page
        paginator.advance(page)
        self._records += len(page.items)
        latest = _latest(page.items, self._job.replication_key, fetched.received)
        if latest is not None:
            self._latest = latest if self._latest is None else max(latest, self._latest)
        passed = window.end is not None and window.end <= asked
        end = None
        if paginator.finished:
            end = "end_date" if passed else "caught up"
        elif self._records >= self._job.limit:
            end = "max_records"
        requests, retries = self._requests.counted()
        return ExportedPage(
            number=self._pages,
            items=page.items,
            metadata=page.metadata,
            repairs=page.repairs,
            bookmark=self._bookmark(paginator.current_value, window, finished=end == "end_date"),
            latest=self._latest,
            requests=requests,
            retries=retries,
            received=fetched.received,
            end=end,
        )

    def _no_page(self, end: str) -> ExportedPage:
        """Return an empty page where there is nothing to ask for."""
        self._pages += 1
        requests, retries = self._requests.counted()
        return ExportedPage(
            number=self._pages,
            items=[],
            latest=self._latest,
            requests=requests,
            retries=retries,
            received=_now(),
            end=end,
        )

    def _bookmark(
        self, cursor: str | None, window: Window, *, finished: bool
    ) -> dict[str, Any] | None:
        """Return the bookmark of a page.

        As long as the API gives no cursor, it stays where it was: whatever arrives late is on the
        page that the next run reads again. So it does while a window has brought no record: with
        a wrong `time_unit` none comes, and a later run with the right one would resume behind all.
        """
        if not cursor or (window and not self._records and self._start.cursor is None):
            return self._unmoved
        bookmark = Bookmark(cursor, self._latest, self._job.scope, finished)
        return bookmark.as_state(self._job.replication_key)


def _latest(items: list[dict[str, Any]], name: str, received: int) -> int | None:
    """Return the latest of some times, in milliseconds since the epoch; None without one.

    A time later than the moment at which it was received comes from a clock that is wrong: to
    resume from there would skip what really happened until then.
    """
    known = (times.to_milliseconds(item.get(name)) for item in items)
    return max(
        (ms for ms in known if ms is not None and times.FIRST_MS <= ms <= received), default=None
    )


def _now() -> int:
    return int(time.time() * 1000)
