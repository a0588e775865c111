"""Times: milliseconds since the epoch at the API, RFC 3339 strings in the records."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - without an offset, isoformat() adds none

FIRST_MS = -62_135_596_800_000
"""0001-01-01T00:00:00Z, the first time that a calendar has, in milliseconds since the epoch."""

LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last one."""

_MINUTE = 60_000  # milliseconds
_SECONDS = [f"{second:02d}." for second in range(60)]
_MILLISECONDS = [f"{ms:03d}Z" for ms in range(1000)]


@functools.lru_cache(maxsize=1 << 14)
def _minute(minutes: int) -> str:
    return (_EPOCH + timedelta(minutes=minutes)).isoformat()[:-2]


def to_rfc3339s(times: Iterable[Any]) -> list[Any]:
    """Format times.

    They are put together from parts made once: formatting each anew takes five times as long, a
    quarter of the time of an export. Most share the minute with the time before.

    Args:
        times: Milliseconds since the epoch, from `FIRST_MS` to `LAST_MS`; anything else passes.

    Returns:
        Such as `2026-01-01T00:00:00.664Z`; what is not an integer as it is.

    Raises:
        OverflowError: If no calendar has one of them.
    """
    texts: list[Any] = []
    minute, text = LAST_MS + 1, ""
    for ms in times:
        if type(ms) is not int:
            texts.append(ms)
            continue
        rest = ms - minute
        if not (text and 0 <= rest < _MINUTE):
            rest = ms % _MINUTE
            minute = ms - rest
            text = _minute(minute // _MINUTE)
        texts.append(f"{text}{_SECONDS[rest // 1000]}{_MILLISECONDS[rest % 1000]}")
    return texts


def to_rfc3339(ms: int) -> str:
    """Format a time: see `to_rfc3339s`."""
    return str(to_rfc3339s((ms,))[0])


def to_milliseconds(value: object) -> int | None:
    """Read a time of the API.

    Args:
        value: The decoded JSON value of a property that holds a time.

    Returns:
        Milliseconds since the epoch; None if the value is not a whole number.
    """
    if type(value) is int:  # a bool is not a time
        return value
    if isinstance(value, Decimal) and value.adjusted() < 20 and value == int(value):  # noqa: PLR2004
        return int(value)
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
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    since = time.astimezone(timezone.utc).replace(tzinfo=None) - _EPOCH
    return min(-(-since // timedelta(milliseconds=1)), LAST_MS)


class Window(msgspec.Struct, frozen=True):
    """A span of time to export: `start` inclusive, `end` exclusive.

    Both are milliseconds since the epoch, or None for no bound.
    """

    start: int | None = None
    end: int | None = None

    def __bool__(self) -> bool:
        """Tell whether there is any bound to send."""
        return self.start is not None or self.end is not None

    def since(self, start: int) -> Window:
        """Return this window from a later start on, in milliseconds since the epoch."""
        start = start if self.start is None else max(start, self.start)
        return msgspec.structs.replace(self, start=start)

    @property
    def empty(self) -> bool:
        """Whether no time lies inside."""
        return self.start is not None and self.end is not None and self.start >= self.end

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

    def overhang(self, time_unit: str) -> Window | None:
        """Return the window with only those bounds that rounding has moved outward, if any.

        Args:
            time_unit: `milliseconds` or `seconds`.
        """
        if time_unit != "seconds":
            return None
        start = self.start if self.start is not None and self.start % 1000 else None
        end = self.end if self.end is not None and self.end % 1000 else None
        return Window(start, end) or None

    def __contains__(self, ms: int) -> bool:
        """Tell whether a time, in milliseconds since the epoch, lies inside."""
        return (self.start is None or ms >= self.start) and (self.end is None or ms < self.end)
