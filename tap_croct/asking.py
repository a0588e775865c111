"""The requests of a run: a rejection is confirmed, the unit of the window found out."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from tap_croct.errors import ApiError, CursorRejectedError

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from tap_croct.client import Fetched

CONFIRM_AFTER = 5.0
"""Seconds after which a request that was rejected is sent again, before the rejection counts."""

_PROBE_START = 1_420_070_400_000
"""2015-01-01T00:00:00Z in milliseconds: before all records. Read as seconds: after all of them."""

_PROBE_END = 4_102_444_800
"""2100-01-01T00:00:00Z in seconds: after all records. Read as milliseconds: before all of them."""

_REJECTED = frozenset({400, 404, 410, 422})


class Api(Protocol):
    """Where pages come from."""

    def prefetch(self, cursor: str | None, params: Mapping[str, int]) -> None:
        """Send the request for a page, without waiting: `fetch` takes the response.

        Args:
            cursor: As `fetch` will be given it.
            params: Likewise.
        """

    def fetch(self, cursor: str | None, params: Mapping[str, int]) -> Fetched:
        """Fetch a page.

        Args:
            cursor: Where to resume; None for the beginning of the window.
            params: The window, and whatever else should differ from the usual request.

        Raises:
            ApiError: If the API refuses, or did not answer after all retries.
        """


class Requests:
    """Requests pages, and counts requests and retries."""

    by_time = False
    """Whether the run has resumed by time because its cursor was rejected: it does so once."""

    def __init__(self, api: Api, stream: str, logger: logging.Logger) -> None:
        """Start at zero.

        Args:
            api: Where pages come from.
            stream: Name of the stream.
            logger: For warnings.
        """
        self._api = api
        self._stream = stream
        self._logger = logger
        self._requests = self._retries = 0
        self._time_unit: str | None = None

    def page(self, cursor: str | None, params: Mapping[str, int]) -> Fetched:
        """Ask for a page.

        Args:
            cursor: Where to resume; None for the beginning of the window.
            params: The window.

        Raises:
            CursorRejectedError: If the API rejects the cursor, twice.
            RecursionError: If the page is nested too deeply to be decoded.
            ApiError: If the API refuses, or did not answer after all retries.
        """
        try:
            return self._confirmed(cursor, params) if cursor else self._fetch(cursor, params)
        except ApiError as error:
            if cursor and error.status in _REJECTED and not self.by_time:
                message = f"The API no longer accepts the cursor: {error}"
                raise CursorRejectedError(message, error.status) from error
            raise

    def prefetch(self, cursor: str | None, params: Mapping[str, int]) -> None:
        """Ask for the page that is needed next, without waiting.

        Args:
            cursor: As `page` will be given it.
            params: Likewise.
        """
        self._api.prefetch(cursor, params)

    def time_unit(self, setting: str) -> str | None:
        """Find out, once, in which unit the API takes the window.

        The API's sources disagree (seconds until late 2025, milliseconds since), and a wrong
        guess yields an empty, successful export.

        Args:
            setting: `milliseconds`, `seconds`, or `auto` to find out.

        Returns:
            `milliseconds` or `seconds`; None as long as there are no records.

        Raises:
            ApiError: If the API refuses, or did not answer after all retries.
        """
        if setting != "auto":
            return setting
        if self._time_unit is None:
            self._time_unit = self._probe()
        return self._time_unit

    def counted(self) -> tuple[int, int]:
        """Return the requests sent since the last call, and how many of them were retries."""
        counts = self._requests, self._retries
        self._requests = self._retries = 0
        return counts

    def _probe(self) -> str | None:
        start, end = {"start": _PROBE_START}, {"end": _PROBE_END}
        try:
            found = self._any(start)
        except ApiError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            found = None
        if found:
            return "milliseconds"
        if not self._fetch(None, {"pageSize": 1}).page.items:
            return None
        if found is None:  # a time so late is rejected, or `start` is for another reason
            return "seconds" if self._any(end) else "milliseconds"
        # The first item of all may have arrived between the two requests.
        return "milliseconds" if self._any(start) else "seconds"

    def _any(self, window: Mapping[str, int]) -> bool:
        return bool(self._confirmed(None, {"pageSize": 1, **window}).page.items)

    def _confirmed(self, cursor: str | None, params: Mapping[str, int]) -> Fetched:
        """Ask again, after a pause, if the API rejects a request: one bad answer proves nothing."""
        try:
            return self._fetch(cursor, params)
        except ApiError as error:
            if error.status not in _REJECTED:
                raise
            self._logger.warning(
                "%s: %s. Asking again in %.0f s", self._stream, error, CONFIRM_AFTER
            )
        self._requests += 1
        time.sleep(CONFIRM_AFTER)
        return self._fetch(cursor, params)

    def _fetch(self, cursor: str | None, params: Mapping[str, int]) -> Fetched:
        fetched = self._api.fetch(cursor, params)
        self._requests += fetched.requests
        self._retries += fetched.requests - 1
        return fetched
