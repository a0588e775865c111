"""One run through a stream: which page comes next, and the bookmark that holds after it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw
from singer_sdk.exceptions import FatalAPIError

from tap_croct import resume, times
from tap_croct.asking import Requests
from tap_croct.bookmark import Bookmark
from tap_croct.errors import ApiError, CursorRejectedError, UnreadableError
from tap_croct.pagination import CursorPaginator
from tap_croct.text import printable

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from tap_croct.asking import Api
    from tap_croct.bookmark import Scope
    from tap_croct.pagination import Fetched
    from tap_croct.resume import Resume
    from tap_croct.times import Window

_SLUGS = ("organizationSlug", "workspaceSlug", "applicationSlug")
_NO_METADATA = Raw(b"null")


class ExportedPage(msgspec.Struct, frozen=True):
    """A page, and the facts about it: all that the writer has to know.

    Attributes:
        number: Its number in this run, from 1.
        items: The items; see `decoding.Page`. They belong to the writer.
        usual: Whether they are structs.
        moments: The replication key of each item, in milliseconds since the epoch; None or `UNSET`
            where it is not a whole number.
        metadata: Which application the items belong to, undecoded.
        overhang: The bounds of the window that had to be rounded outward for the API: records
            beyond them are not wanted. None if no bound was rounded.
        repaired: Whether half surrogate pairs in it were replaced with U+FFFD.
        bookmark: The state of the stream once all records of the page are written; None if it
            stays as it is.
        latest: The latest time seen so far, in milliseconds since the epoch.
        requests: How many requests were sent since the page before.
        retries: How many of them were retries.
        received: When the page was received, in milliseconds since the epoch.
        end: Why the export ends with this page; None if it does not.
    """

    number: int
    items: list[Any]
    usual: bool
    moments: list[Any]
    metadata: Raw
    overhang: Window | None = None
    repaired: bool = False
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
        self._application = None if self._start.anew else job.bookmark.application
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
        left = Bookmark(latest=self._latest, scope=scope, application=self._application)
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
        except UnreadableError as error:
            message = f"page {self._pages}: {error}"
            raise UnreadableError(message, error.status) from error
        page = fetched.page
        paginator.advance(page)
        self._records += len(page.items)
        moments = page.times(self._job.replication_key)
        self._see(fetched, moments)
        passed = window.end is not None and window.end <= asked
        end = None
        if paginator.finished:
            end = "end_date" if passed else "caught up"
        elif self._records >= self._job.limit:
            end = "max_records"
            self._warn_of_standstill()
        requests, retries = self._requests.counted()
        return ExportedPage(
            number=self._pages,
            items=page.items,
            usual=page.usual,
            moments=moments,
            metadata=page.metadata,
            overhang=window.overhang(time_unit),
            repaired=page.repaired,
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
            usual=True,
            moments=[],
            metadata=_NO_METADATA,
            latest=self._latest,
            requests=requests,
            retries=retries,
            received=_now(),
            end=end,
        )

    def _warn_of_standstill(self) -> None:
        if self._requests.by_time and self._latest == self._start.latest:
            self._logger.warning(
                "%s: `max_records` was reached before anything new: if the API rejects the next "
                "cursor as well, the next run exports the same records again. Raise `max_records`, "
                "or lower `lookback_hours`",
                self._job.stream,
            )

    def _see(self, fetched: Fetched, moments: list[Any]) -> None:
        """Take note of the times of a page, and of its application."""
        latest = _latest(moments, fetched.received)
        if latest is not None:
            self._latest = latest if self._latest is None else max(latest, self._latest)
        application = _application(fetched.page.metadata)
        if application is None or application == self._application:
            return
        if self._application is not None:
            self._logger.warning(
                "%s: the events come from the application %s, but the bookmark was made with %s: "
                "earlier events of the new application are not exported. To export them, run once "
                "without this state",
                self._job.stream,
                printable(application),
                printable(self._application),
            )
        self._application = application

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
        bookmark = Bookmark(cursor, self._latest, self._job.scope, finished, self._application)
        return bookmark.as_state(self._job.replication_key)


def _latest(moments: list[Any], received: int) -> int | None:
    """Return the latest of some times, in milliseconds since the epoch; None without one.

    A time later than the moment at which it was received comes from a clock that is wrong: to
    resume from there would skip what really happened until then.
    """
    with suppress(TypeError):  # not comparable: one is missing
        latest: int = max(moments, default=received + 1)
        if times.FIRST_MS <= latest <= received:
            return latest
    known = [ms for ms in moments if type(ms) is int and times.FIRST_MS <= ms <= received]
    return max(known, default=None)


def _application(metadata: Raw) -> str | None:
    """Return which application the metadata of a page names, such as `acme/shop/web`."""
    try:
        slugs = msgspec.json.decode(metadata, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return None
    named = [str(slugs.get(name, "")) for name in _SLUGS]
    return "/".join(named) if any(named) else None


def _now() -> int:
    return int(time.time() * 1000)
