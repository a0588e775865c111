"""The way from page to page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from singer_sdk.exceptions import FatalAPIError
from singer_sdk.pagination import BaseAPIPaginator

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from tap_croct.decode import Page


class CursorPaginator(BaseAPIPaginator["str | None"]):
    """Follows `nextCursor`.

    Ends at a page without items, and at a `nextCursor` that is null, empty or missing: the API's
    sources disagree on which of them is the end. A page with fewer items than asked for is not.

    `current_value` is always the cursor to resume from, at an end too: the last one given.
    """

    _mark: str | None = None
    """An earlier cursor, renewed at pages 1, 2, 4, 8, …: a loop of any length gets back to it."""

    @override
    def advance(self, page: Page) -> None:  # type: ignore[override]
        """Take the cursor of a page.

        Args:
            page: The page, in place of the response: a body is decoded once.

        Raises:
            FatalAPIError: If the cursor is the one just sent, or one sent before, though there
                are items.
        """
        self._page_count += 1
        self._finished = not (page.items and page.next_cursor)
        if not self._finished and page.next_cursor in {self._value, self._mark}:
            message = (
                "the API gave back a cursor that was sent before, with items: following it would "
                "repeat the same pages forever. Please report this to Croct"
            )
            raise FatalAPIError(message)
        if self._page_count & (self._page_count - 1) == 0:
            self._mark = page.next_cursor
        self._value = page.next_cursor or self._value

    @override
    def get_next(self, response: object) -> str | None:
        """Return the current cursor; `advance` does the work."""
        return self._value
