"""Where a run resumes: from the beginning, from the cursor, or by time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tap_croct import times

if TYPE_CHECKING:
    from tap_croct.bookmark import Bookmark, Scope
    from tap_croct.times import Window

HOUR = 3_600_000
"""Milliseconds of an hour."""


class Resume(msgspec.Struct, frozen=True):
    """Where a run resumes.

    Attributes:
        text: That, in words.
        window: The time window to ask for with every page.
        cursor: The cursor to start with; None for the beginning of the window.
        latest: The latest time that counts as seen, in milliseconds since the epoch; None if
            nothing was seen.
        anew: Whether the export starts over: what the bookmark says no longer counts.
        warning: Why that is so, if it was not so before.
    """

    text: str
    window: Window
    cursor: str | None = None
    latest: int | None = None
    anew: bool = False
    warning: str | None = None


def where(bookmark: Bookmark, scope: Scope, lookback: int, now: int) -> Resume:
    """Decide where a run resumes.

    Args:
        bookmark: Where the last run stopped, and what it was limited to. A bookmark that does not
            say (of version 0.1) is treated as made with the scope of this run.
        scope: What this run is limited to.
        lookback: How late records may arrive, in milliseconds.
        now: The time, in milliseconds since the epoch.
    """
    latest = bookmark.latest
    if latest is not None and latest > now:  # some clock was wrong: what was seen is unknown
        latest = None
    before = bookmark.scope or scope
    if bookmark.cursor is None and latest is None:
        doubt = None
        if bookmark.latest is not None:
            stored = times.to_rfc3339(bookmark.latest)
            doubt = f"the bookmark has a time in the future ({stored}) and no cursor"
        return _from_start(scope, doubt)
    if reason := scope.widened(before):
        return _from_start(scope, f"{reason} since the bookmark was made")
    if scope.ends_later(before):
        return _from_old_end(bookmark, before, scope, lookback, latest)
    if bookmark.cursor is not None:
        seen = "" if latest is None else f" (latest time seen: {times.to_rfc3339(latest)})"
        return Resume(f"from the cursor{seen}", scope.window, bookmark.cursor, latest)
    return by_time(scope, lookback, latest)


def by_time(scope: Scope, lookback: int, latest: int | None) -> Resume:
    """Resume by time: from the latest time seen, minus the lookback.

    Args:
        scope: What the run is limited to.
        lookback: How late records may arrive, in milliseconds.
        latest: The latest time seen, in milliseconds since the epoch; None if nothing was seen.
    """
    if latest is None:
        return _from_start(scope, None)
    return _since(scope, latest, lookback, "the latest time seen", latest)


def _from_old_end(
    bookmark: Bookmark, before: Scope, scope: Scope, lookback: int, latest: int | None
) -> Resume:
    """Resume where the window ended, or where the export had come to inside of it.

    A cursor may stand for the window that it was given for: it cannot be used here.
    """
    end = before.window.end
    if bookmark.finished and end is not None:
        return _since(scope, end, lookback, "the old `end_date`", latest)
    if latest is None or end is None:
        return _from_start(scope, "`end_date` was moved, and the bookmark has no time")
    return _since(scope, min(latest, end), lookback, "the latest time seen", latest)


def _since(scope: Scope, time: int, lookback: int, what: str, latest: int | None) -> Resume:
    window = scope.window.since(max(time - lookback, times.FIRST_MS))
    start = times.to_rfc3339(window.start) if window.start is not None else ""
    text = f"by time, from {start} ({lookback // HOUR} h before {what})"
    return Resume(text, window, latest=latest)


def _from_start(scope: Scope, warning: str | None) -> Resume:
    start = scope.window.start
    text = "from the beginning" if start is None else f"from {times.to_rfc3339(start)} (start_date)"
    return Resume(text, scope.window, anew=True, warning=warning)
