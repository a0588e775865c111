"""One run through a stream: which page comes next, and the bookmark that holds after it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from singer_sdk.exceptions import FatalAPIError
from singer_sdk.pagination import BaseAPIPaginator
from typing_extensions import override

from tap_croct import bookmark, times
from tap_croct.bookmark import HOUR, Bookmark, Resume
from tap_croct.client import ApiStream
from tap_croct.decode import Page
from tap_croct.errors import ApiError
from tap_croct.times import Scope, Window, find_time_unit, shows_unit

CONFIRM_AFTER = 5.0
"""Seconds after which a request that was rejected is sent again, before the rejection counts."""

END_DATE = "end_date"
CAUGHT_UP = "caught up"
NOTHING_YET = "nothing to export yet"
LIMIT_REACHED = "max_records"
EMPTY_PAGES = "empty pages"

MOST_EMPTY = 5
"""Pages without items in a row that are followed: some may stand in the middle of an export."""

_REJECTED = frozenset({400, 404, 410, 422})


@dataclass(frozen=True)
class ExportedPage:
    """A page, and what follows from it.

    Attributes:
        page: The page; its items belong to the writer.
        state: The state of the stream once all records of the page are written; None if it stays
            as it is.
        latest: The latest time seen so far, in milliseconds since the epoch.
        end: Why the export ends with this page; None if it does not.
    """

    page: Page
    state: dict[str, Any] | None
    latest: int | None
    end: str | None


class CursorPaginator(BaseAPIPaginator["str | None"]):
    """Follows `nextCursor`; its `advance` takes a `Page` in place of the response.

    Ends where `nextCursor` is null, empty or missing, and at a page without items that gives back
    the cursor just sent: the API's sources disagree on which of them is the end. A page with fewer
    items than asked for is not, nor is an empty one with a new cursor, unless five of them come in
    a row.
    """

    gave_up = False
    """Whether it ended because of empty pages, and not because the API said so."""

    _empty = 0
    _mark: str | None = None
    """An earlier cursor, renewed at pages 1, 2, 4, 8, …: a loop of any length gets back to it."""

    _items_since = False
    """Whether there were items since."""

    @override
    def has_more(self, response: Page) -> bool:  # type: ignore[override]
        """Tell whether another page follows."""
        if not response.next_cursor:
            return False
        if response.items:
            self._empty = 0
            return True
        self._empty += 1
        if response.next_cursor == self.current_value:
            return False
        self.gave_up = self._empty == MOST_EMPTY
        return not self.gave_up

    @override
    def get_next(self, response: Page) -> str | None:  # type: ignore[override]
        """Return the cursor of the next page.

        Raises:
            FatalAPIError: If it was sent before, though there are items.
        """
        cursor = response.next_cursor
        self._items_since |= bool(response.items)
        if cursor == self.current_value or (self._items_since and cursor == self._mark):
            message = (
                "the API gave back a cursor that was sent before, with items: following it would "
                "repeat the same pages forever. Please report this to Croct"
            )
            raise FatalAPIError(message)
        if self.count & (self.count - 1) == 0:
            self._mark, self._items_since = cursor, False
        return cursor


class Export:
    """The pages of a stream, from its bookmark on; one is requested ahead of the one yielded."""

    def __init__(self, stream: ApiStream, saved: Bookmark, limit: float) -> None:
        """Prepare a run.

        Args:
            stream: Where pages come from; its settings say what to export.
            saved: Where the last run stopped.
            limit: Number of records after which the run stops with the page that reaches it.
        """
        self._stream = stream
        self._saved = saved
        self._limit = limit
        self._key = str(stream.replication_key)
        self._scope = Scope.of({**stream.config, "event_types": stream.event_types})
        self._lookback = stream.config["lookback_hours"] * HOUR
        self.start = bookmark.resume_point(saved, self._scope, self._lookback, times.now())
        """Where the run resumes."""

        self._latest = self.start.latest
        # The state until the API gives a cursor: {} drops the old bookmark, None keeps it.
        self._unmoved: dict[str, Any] | None = {} if self.start.from_scratch else None
        # What the search for the time unit met: too many empty pages, records that do not show it,
        # bounds of windows that brought records without a time; and whether one showed it.
        self._gave_up = self._unclear = self._sure = False
        self._undated: set[str] = set()
        self._pages = self._records = 0
        self._unit_shown = False  # by a record of this window, if there is one

    def pages(self) -> Iterator[ExportedPage]:
        """Yield the pages; once, when the API no longer accepts the cursor, resume by time.

        Raises:
            FatalAPIError: If the API rejects a request, never answers, or repeats itself.
        """
        try:
            yield from self._read(self.start)
        except _CursorRejectedError as rejected:
            yield from self._resume_by_time(rejected)

    def _resume_by_time(self, rejected: ApiError) -> Iterator[ExportedPage]:
        start = bookmark.by_time(self._scope, self._lookback, self._latest)
        self._stream.logger.warning("%s: %s. Resuming %s", self._stream.name, rejected, start.text)
        scope = self._scope if self._pages else self._saved.scope
        left = Bookmark(latest=self._latest, scope=scope)
        self._unmoved = {} if start.from_scratch else left.as_state(self._key)
        pages = self._read(start)
        try:
            first = next(pages)
        except FatalAPIError as error:
            message = f"{rejected}. The request by time, instead, failed as well: {error}"
            raise ApiError(message) from error
        yield first
        yield from pages

    def _read(self, start: Resume) -> Iterator[ExportedPage]:
        window, self._unit_shown = start.window, not start.window
        time_unit: str | None = None if window.empty else self._stream.config["time_unit"]
        if window and time_unit == "auto":
            time_unit = self._find_time_unit()
        if time_unit is None:
            reason = EMPTY_PAGES if self._gave_up else NOTHING_YET
            reason = END_DATE if window.empty else reason
            yield ExportedPage(Page([]), self._unmoved, self._latest, reason)
            return
        params = window.params(time_unit)
        paginator = CursorPaginator(start.cursor)
        asked = times.now()  # what is written at the API later may not be in the page
        end: str | None = None
        while end is None:
            page = self._page(paginator.current_value, params)
            self._see(page)
            try:
                paginator.advance(page)  # type: ignore[arg-type]
            except FatalAPIError:  # its records are good, only its cursor is not
                yield ExportedPage(page, None, self._latest, None)
                raise
            end = _end(paginator, window, asked)
            if end is None and self._records >= self._limit:
                end = LIMIT_REACHED
            state = self._state(page, paginator, start, end)
            if end is None:
                asked = times.now()
                self._stream.prefetch(paginator.current_value, params)
            yield ExportedPage(page, state, self._latest, end)

    def _page(self, cursor: str | None, params: Mapping[str, int]) -> Page:
        ask = self._ask_twice if cursor else self._stream.fetch
        try:
            return ask(cursor, params)
        except ApiError as error:
            if not cursor or error.status not in _REJECTED:
                raise
            message = f"The API no longer accepts the cursor: {error}"
            raise _CursorRejectedError(message, error.status) from error

    def _ask_twice(self, cursor: str | None, params: Mapping[str, int]) -> Page:
        """Ask again, after a pause, if the API rejects a request: one bad answer proves nothing."""
        try:
            return self._stream.fetch(cursor, params)
        except ApiError as error:
            if error.status not in _REJECTED:
                raise
            text = "%s: %s. Asking again in %.0f s"
            self._stream.logger.warning(text, self._stream.name, error, CONFIRM_AFTER)
        time.sleep(CONFIRM_AFTER)
        return self._stream.fetch(cursor, params)

    def _find_time_unit(self) -> str | None:
        unit, given = find_time_unit(self._any_in), self._stream.config["time_unit"]
        self._sure = given == "auto" and unit is not None
        if given not in ("auto", unit) if unit else self._gave_up or self._unclear:
            unknown = "no record shows in which unit the API counts, so the bookmark stays"
            self._warn_of_unit(f"the API counts in {unit}" if unit else unknown)
        if given == "auto" and not (unit or self._gave_up) and self._undated:  # a guess
            unit = "milliseconds" if "start" in self._undated else "seconds"
        return unit

    def _warn_of_unit(self, found: str) -> None:
        text = "%s: %s: if this persists, check `time_unit`"
        self._stream.logger.warning(text, self._stream.name, found)

    def _is_unit_right(self, start: Resume, end: str | None) -> bool:
        """Tell whether the unit is right, which no record of the window shows; may ask the API."""
        given: str = self._stream.config["time_unit"]
        quiet = start.cursor and not self._records and end != EMPTY_PAGES
        if given == "auto" or quiet or not end:
            return self._sure
        try:
            return self._find_time_unit() == given
        except FatalAPIError as error:  # some API rejects times that are too early, or too late
            self._warn_of_unit(f"the unit cannot be checked, so the bookmark stays ({error})")
            return False

    def _any_in(self, window: Mapping[str, int]) -> bool | None:
        """Tell whether the API has a record of a window; None after too many empty pages."""
        params: dict[str, Any] = {"pageSize": 1, "events": None, **window}
        paginator = CursorPaginator(None)
        while not paginator.finished:
            page = self._ask_twice(paginator.current_value, params)
            found = _times(page, self._key)
            if any(map(shows_unit, found)):
                return True
            self._unclear |= bool(found)
            if None in found:
                self._undated |= window.keys()
            paginator.advance(page)  # type: ignore[arg-type]
            params.pop("pageSize", None)  # one record was not enough
        self._gave_up |= paginator.gave_up
        return None if paginator.gave_up else False

    def _see(self, page: Page) -> None:
        """Count the records of a page, and keep the latest of their times.

        A time later than when it was received comes from a clock that is wrong: to
        resume from there would skip what really happened until then.
        """
        self._pages, self._records = self._pages + 1, self._records + len(page.items)
        found = _times(page, self._key)
        self._unit_shown |= any(self._sure or shows_unit(ms) for ms in found)
        seen = [ms for ms in found if ms is not None and times.FIRST_MS <= ms <= page.received]
        if self._latest is not None:
            seen.append(self._latest)
        self._latest = max(seen, default=None)

    def _state(
        self, page: Page, paginator: CursorPaginator, start: Resume, end: str | None
    ) -> dict[str, Any] | None:
        """Return the state that holds once a page is written.

        As long as the API gives no cursor, it stays as it was: whatever arrives late is on the
        page that the next run reads again. So it does until a record of the window shows that the
        time unit is right: with a wrong one, a later run would resume after all records.
        """
        cursor = page.next_cursor or paginator.current_value
        if not (self._unit_shown or self._is_unit_right(start, end)) or not cursor:
            return self._unmoved
        left = Bookmark(cursor, self._latest, self._scope, finished=end == END_DATE)
        return left.as_state(self._key)


def _end(paginator: CursorPaginator, window: Window, asked: int) -> str | None:
    if paginator.gave_up:
        return EMPTY_PAGES
    if paginator.finished:
        return END_DATE if window.end is not None and window.end <= asked else CAUGHT_UP
    return None


def _times(page: Page, key: str) -> list[int | None]:
    return [times.to_milliseconds(item.get(key)) for item in page.items]


class _CursorRejectedError(ApiError):
    """The API no longer accepts the cursor that it once gave."""
