"""The way from page to page."""

from __future__ import annotations

import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.pagination import BaseAPIPaginator

from tap_croct import times

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

_T = TypeVar("_T")


class Page(msgspec.Struct):
    """A response of the API; `metadata` comes with events only."""

    items: list[dict[str, Any]]
    nextCursor: str | None = None  # noqa: N815 - the API's name
    metadata: Any = None

    def latest(self, name: str) -> int | None:
        """Return the latest time of the items, in milliseconds since the epoch; None without one.

        Args:
            name: The property that holds it.
        """
        found = (times.to_milliseconds(item.get(name)) for item in self.items)
        known = (ms for ms in found if ms is not None and times.FIRST_MS <= ms <= times.LAST_MS)
        return max(known, default=None)


class CursorPaginator(BaseAPIPaginator[str | None]):
    """Follows `nextCursor`.

    Stops at a page without items and at a `nextCursor` that is null, empty or missing: the API's
    sources disagree on which of them is the end. A page with fewer items than asked for is none.

    `current_value` is always the cursor to go on from, at an end too: the last one given.
    """

    @override
    def advance(self, page: Page) -> None:  # type: ignore[override]
        """Take the cursor of a page.

        Args:
            page: The page, in place of the response: a body is decoded once.

        Raises:
            FatalAPIError: If the cursor is the one just sent, though there are items.
        """
        self._page_count += 1
        self._finished = not (page.items and page.nextCursor)
        if not self._finished and page.nextCursor == self._value:
            message = (
                "the API gave back the cursor that was sent, with items: going on would repeat "
                "the same page forever. Please report this to Croct"
            )
            raise FatalAPIError(message)
        self._value = page.nextCursor or self._value

    @override
    def get_next(self, response: object) -> str | None:
        """Return the current cursor; `advance` does the work."""
        return self._value


def one_ahead(pages: Iterator[_T]) -> Iterator[_T]:
    """Yield pages, the next one being fetched while one is used.

    A thread fetches them: a daemon, because a run that ends must not wait for an answer. An error
    is raised when its page's turn comes.

    Args:
        pages: An iterator that fetches a page when it is asked for the next.

    Yields:
        What the iterator yields. The page after is asked for when one is yielded, not before.
    """
    asked: SimpleQueue[bool] = SimpleQueue()
    fetched: SimpleQueue[tuple[_T | None, BaseException | None]] = SimpleQueue()

    def fetch() -> None:
        while asked.get():
            try:
                fetched.put((next(pages, None), None))
            except BaseException as error:  # noqa: BLE001 - all, to raise them in the main thread
                fetched.put((None, error))

    threading.Thread(target=fetch, daemon=True).start()
    asked.put(True)
    try:
        while True:
            page, error = fetched.get()
            if error is not None:
                raise error
            if page is None:
                return
            asked.put(True)
            yield page
    finally:
        asked.put(False)
