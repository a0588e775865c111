"""Times and windows of time: milliseconds since the epoch at the API, RFC 3339 in records."""

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from tap_croct.errors import ApiError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

FIRST_MS = -62_135_596_800_000
"""0001-01-01T00:00:00Z, the first time that a calendar has, in milliseconds since the epoch."""

LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last one."""

_MINUTE = 60_000  # milliseconds
_SECONDS = [f"{second:02d}." for second in range(60)]  # formatting them takes three times as long
_MILLISECONDS = [f"{ms:03d}Z" for ms in range(1000)]
_LONGEST = 20  # digits of a number that may be a time


def now() -> int:
    """Return the time, in milliseconds since the epoch."""
    return int(time.time() * 1000)


@functools.lru_cache(maxsize=1 << 14)
def _minute(minutes: int) -> str:
    return (_EPOCH + timedelta(minutes=minutes)).isoformat()[:17]


def to_rfc3339(ms: int) -> str:
    """Format a time; most times of a page share the minute with the one before.

    Args:
        ms: Milliseconds since the epoch.

    Returns:
        Such as `2026-01-01T00:00:00.664Z`.

    Raises:
        OverflowError: If it is outside of the years 1 to 9999.
    """
    rest = ms % _MINUTE
    return f"{_minute(ms // _MINUTE)}{_SECONDS[rest // 1000]}{_MILLISECONDS[rest % 1000]}"


def from_api(value: object) -> str | None:
    """Format a time of the API.

    Args:
        value: Milliseconds since the epoch, as JSON had them.

    Returns:
        As `to_rfc3339`; None if it is not a number, or no calendar has it.
    """
    ms = to_milliseconds(value)
    return to_rfc3339(ms) if ms is not None and FIRST_MS <= ms <= LAST_MS else None


def to_milliseconds(value: object) -> int | None:
    """Read a time of the API.

    Args:
        value: The JSON value of a property that holds a time.

    Returns:
        Milliseconds since the epoch, rounded down; None if the value is not a number.
    """
    if type(value) is int:  # a bool is not a time
        return value
    if isinstance(value, Decimal) and value.adjusted() < _LONGEST:
        return math.floor(value)
    return None


def parse(text: str) -> int:
    """Read a date or date-time of the configuration or of a state.

    Args:
        text: ISO 8601; a date is its midnight, and what has no offset is UTC.

    Returns:
        Milliseconds since the epoch; a fraction of a millisecond is rounded up, which is exact
        for a bound between whole milliseconds. At most `LAST_MS`: the last microsecond of the
        calendar often stands for "never".

    Raises:
        ValueError: If it is not a date.
        OverflowError: If its offset leads out of the calendar.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=timezone.utc)
    since = parsed.astimezone(timezone.utc) - _EPOCH
    return min(-(-since // timedelta(milliseconds=1)), LAST_MS)


@dataclass(frozen=True)
class Window:
    """A span of time to export: `start` inclusive, `end` exclusive.

    Both are milliseconds since the epoch, or None for no bound.
    """

    start: int | None = None
    end: int | None = None

    def __bool__(self) -> bool:
        """Tell whether there is any bound to send."""
        return self.start is not None or self.end is not None

    @property
    def empty(self) -> bool:
        """Whether no time lies inside."""
        return self.start is not None and self.end is not None and self.start >= self.end

    def since(self, start: int) -> "Window":
        """Return this window from a later start on, in milliseconds since the epoch."""
        return replace(self, start=start if self.start is None else max(start, self.start))

    def params(self, time_unit: str) -> dict[str, int]:
        """Return the query parameters `start` and `end`.

        Args:
            time_unit: `milliseconds` or `seconds`; a fraction of a second is rounded outward.
        """
        step = 1000 if time_unit == "seconds" else 1
        params = {}
        if self.start is not None:
            params["start"] = self.start // step
        if self.end is not None:
            params["end"] = -(-self.end // step)
        return params


@dataclass(frozen=True)
class Scope:
    """What an export is limited to.

    Attributes:
        window: The time window.
        event_types: The types of events; None for all of them, and for the other streams.
    """

    window: Window
    event_types: frozenset[str] | None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Scope":
        """Read a scope from the tap's settings, or from a bookmark: the names are the same.

        Args:
            settings: May hold `start_date`, `end_date` and `event_types`. Other notations of the
                same times, and the same types in another order, make equal scopes.

        Raises:
            ValueError: If a date is not one.
            OverflowError: If a date lies outside of the calendar.
            TypeError: If something has the wrong type.
        """
        bounds = (settings.get("start_date"), settings.get("end_date"))
        window = Window(*(None if bound is None else parse(bound) for bound in bounds))
        return cls(window, frozenset(settings.get("event_types") or ()) or None)

    def widened(self, before: "Scope") -> str | None:
        """Tell what of this scope lies before the bookmark of an earlier one.

        Args:
            before: The scope of the bookmark.

        Returns:
            What was changed, in words; None if everything new comes after the bookmark.
        """
        start, old = self.window.start, before.window.start
        if old is not None and (start is None or start < old):
            return f"`start_date` was {'removed' if start is None else 'moved back'}"
        if before.event_types is None:
            return None
        if self.event_types is None:
            return "`event_types` was removed"
        added = self.event_types - before.event_types
        return f"`event_types` has more types ({', '.join(sorted(added))})" if added else None

    def ends_later(self, before: "Scope") -> bool:
        """Tell whether `end_date` was moved later or removed since an earlier scope."""
        end, old = self.window.end, before.window.end
        return old is not None and (end is None or end > old)

    def as_state(self) -> dict[str, Any]:
        """Return what `of` reads.

        All of it, null for what is not limited: a runner that merges states would keep the limits
        of an earlier one.
        """
        window, types = self.window, self.event_types
        return {
            "start_date": None if window.start is None else to_rfc3339(window.start),
            "end_date": None if window.end is None else to_rfc3339(window.end),
            "event_types": None if types is None else sorted(types),
        }


_PROBE_START = 1_420_070_400_000
"""2015-01-01T00:00:00Z in milliseconds: before all records. Read as seconds: after all of them."""

_PROBE_END = 4_102_444_800
"""2100-01-01T00:00:00Z in seconds: after all records. Read as milliseconds: before all of them."""


def shows_unit(ms: int | None) -> bool:
    """Tell whether a record shows in which unit the API takes the window that brought it.

    Args:
        ms: Its time, in milliseconds since the epoch. An odd one, such as one in seconds or in
            microseconds, may lie in the window under the wrong reading, too.
    """
    return ms is not None and _PROBE_START <= ms < _PROBE_END * 1000


def find_time_unit(any_in: Callable[[Mapping[str, int]], bool | None]) -> str | None:
    """Find out in which unit the API takes the window.

    The API's sources disagree (seconds until late 2025, milliseconds since), and a wrong guess
    yields an empty, successful export. So records have to show it.

    Args:
        any_in: Asks the API whether it has a record in a window, given as query parameters; None
            if it cannot be found out.

    Returns:
        `milliseconds` or `seconds`; None as long as neither is shown.

    Raises:
        ApiError: If the API rejects a request, or never answers.
    """
    start, end = {"start": _PROBE_START}, {"end": _PROBE_END}
    try:
        if any_in(start):
            return "milliseconds"
    except ApiError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        # This start is too late in seconds, or too early in milliseconds: only `end` can tell, if
        # there are records at all.
        if not any_in({}):
            return None
        return {True: "seconds", False: "milliseconds", None: None}[any_in(end)]
    return "seconds" if any_in(end) else None
