"""One run through a stream: where it starts, how it goes on, where it ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from singer_sdk.exceptions import FatalAPIError

from tap_croct import times
from tap_croct.decoding import having, milliseconds
from tap_croct.errors import ApiError, CursorRejectedError
from tap_croct.pagination import CursorPaginator

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

    from msgspec import Raw

    from tap_croct.decoding import Page
    from tap_croct.times import Window

BOOKMARK = ("cursor", "replication_key", "replication_key_value")
"""What a stream's state holds."""

_LATE = 24 * 60 * 60 * 1000
"""How late records may come, in milliseconds: going on by time starts that much earlier."""

_PROBE_START = 1_420_070_400_000
"""2015-01-01T00:00:00Z in milliseconds: before all records. Read as seconds: after all of them."""

_REJECTS_CURSOR = frozenset({400, 404, 410, 422})


class Fetch(Protocol):
    """Fetches a page."""

    def __call__(self, cursor: str | None, params: Mapping[str, int]) -> Page:
        """Fetch a page.

        Args:
            cursor: Where to go on; None for the beginning of the window.
            params: The window, and whatever else should differ from the usual request.

        Raises:
            ApiError: If the API refuses, or did not answer after all retries.
        """


@dataclass(frozen=True)
class ExportedPage:
    """A page, and the facts about it: all that the writer has to know.

    Attributes:
        number: Its number in this run, from 1.
        items: The items; the properties of each by name, undecoded. They belong to the writer.
        metadata: Which application the items belong to, undecoded.
        overhang: The bounds of the window that had to be rounded outward for the API: records
            beyond them are not wanted. None if there are none.
        repaired: Whether half surrogate pairs in it were replaced by U+FFFD.
        bookmark: The bookmark that holds once all records of the page are written.
    """

    number: int
    items: list[dict[str, Raw]]
    metadata: Raw
    overhang: Window | None
    repaired: bool
    bookmark: dict[str, str]


class Export:
    """The pages of a stream, from its bookmark on."""

    end = "caught up"
    """Why the export ended."""

    def __init__(  # noqa: PLR0913
        self,
        fetch: Fetch,
        *,
        order: str,
        bookmark: Mapping[str, str],
        window: Window,
        unit: str,
        limit: float,
        logger: logging.Logger,
    ) -> None:
        """Prepare a run.

        Args:
            fetch: Fetches a page.
            order: The property that holds the time by which the API orders the records.
            bookmark: Where the last run stopped; empty for a first one.
            window: The configured time window.
            unit: Unit in which the API takes the window: `milliseconds`, `seconds` or `auto`.
            limit: Number of records after which the run stops with the page that reaches it.
            logger: For warnings.
        """
        self._fetch = fetch
        self._order = order
        self._cursor = bookmark.get("cursor")
        self._window = window
        self._unit: str | None = unit
        self._limit = limit
        self._logger = logger
        self._count = 0
        self._pages = 0
        self._recovered = False
        value = bookmark.get("replication_key_value")
        self._latest = None if value is None else times.parse(value)

    def pages(self) -> Iterator[ExportedPage]:
        """Yield the pages.

        Where there is a time but no cursor, the export goes on by time. So it does, once, when
        the API no longer accepts the cursor.

        Raises:
            ApiError: If the API refuses, or did not answer after all retries.
        """
        by_time = self._cursor is None and self._latest is not None
        try:
            yield from self._read(self._cursor, self._late_window() if by_time else self._window)
        except CursorRejectedError as refused:
            self._recovered = True
            self._logger.warning("%s. Going on by time instead", refused)
            yield from self._recover(refused)

    def _recover(self, refused: CursorRejectedError) -> Iterator[ExportedPage]:
        pages = self._read(None, self._late_window())
        try:
            first = next(pages, None)
        except FatalAPIError:
            raise refused from None
        if first is not None:
            yield first
            yield from pages

    def _late_window(self) -> Window:
        """Return the window from the latest time seen on, less what may come late.

        A time in the future (some clock was wrong) would skip records: now is the latest.
        """
        if self._latest is None:
            return self._window
        return self._window.since(min(self._latest, _now()) - _LATE)

    def _read(self, cursor: str | None, window: Window) -> Iterator[ExportedPage]:
        unit = self._find_unit() if window else "milliseconds"
        if unit is None:
            return
        paginator = CursorPaginator(cursor)
        while not paginator.finished:
            page = self._next_page(paginator, window.params(unit))
            self._pages += 1
            yield ExportedPage(
                self._pages,
                page.items,
                page.metadata,
                window.overhang(unit),
                page.repaired,
                self._bookmark(paginator.current_value),
            )
            if self._count >= self._limit:
                self.end = "max_records"
                return
        if window.end is not None and window.end <= _now():
            self.end = "end_date"

    def _next_page(self, paginator: CursorPaginator, params: Mapping[str, int]) -> Page:
        cursor = paginator.current_value
        try:
            page = self._fetch(cursor, params)
        except ApiError as error:
            if cursor and error.status in _REJECTS_CURSOR and not self._recovered:
                message = f"The API no longer accepts the cursor: {error}"
                raise CursorRejectedError(message, error.status) from error
            raise
        paginator.advance(page)
        self._count += len(page.items)
        latest = _latest(page, self._order)
        if latest is not None:
            self._latest = latest if self._latest is None else max(latest, self._latest)
        return page

    def _bookmark(self, cursor: str | None) -> dict[str, str]:
        bookmark = {"cursor": cursor} if cursor else {}
        if self._latest is not None:
            bookmark["replication_key"] = self._order
            bookmark["replication_key_value"] = times.to_rfc3339(self._latest)
        return bookmark

    def _find_unit(self) -> str | None:
        """Find out, once, in which unit the API takes the window; None if there is no data yet.

        The API's sources disagree (seconds until late 2025, milliseconds since), and a wrong
        guess yields an empty, successful export.
        """
        if self._unit == "auto":
            self._unit = self._probe()
            if self._unit is None:
                self.end = "nothing to export yet"
        return self._unit

    def _probe(self) -> str | None:
        try:
            if self._fetch(None, {"pageSize": 1, "start": _PROBE_START}).items:
                return "milliseconds"
        except ApiError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
        return "seconds" if self._fetch(None, {"pageSize": 1}).items else None


def _latest(page: Page, name: str) -> int | None:
    """Return the latest time of a page, in milliseconds since the epoch; None without one."""
    found = milliseconds(having(page.items, name)[1])
    known = [ms for ms in found if ms is not None and times.FIRST_MS <= ms <= times.LAST_MS]
    return max(known, default=None)


def _now() -> int:
    return int(time.time() * 1000)
