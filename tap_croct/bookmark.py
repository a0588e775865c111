"""The bookmark of a stream: where an export stopped, and where the next one resumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_croct import times
from tap_croct.times import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPE = "scope"
"""Key of a stream's state: what the export was limited to when the bookmark was made."""

BOOKMARK = ("cursor", "replication_key", "replication_key_value", SCOPE)
"""What a stream's state holds."""

HOUR = 3_600_000
"""Milliseconds of an hour."""


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
    def of(cls, settings: Mapping[str, Any]) -> Scope:
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
        window = Window(*(None if bound is None else times.parse(bound) for bound in bounds))
        return cls(window, frozenset(settings.get("event_types") or ()) or None)

    def widened(self, before: Scope) -> str | None:
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

    def ends_later(self, before: Scope) -> bool:
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
            "start_date": None if window.start is None else times.to_rfc3339(window.start),
            "end_date": None if window.end is None else times.to_rfc3339(window.end),
            "event_types": None if types is None else sorted(types),
        }


@dataclass(frozen=True)
class Bookmark:
    """Where an export stopped.

    Attributes:
        cursor: Where to resume; None if the API gave none.
        latest: The latest time seen, in milliseconds since the epoch.
        scope: What the export was limited to; None if that is not known (before version 0.2).
        finished: Whether the export had reached the end of its window, and that had passed.
    """

    cursor: str | None = None
    latest: int | None = None
    scope: Scope | None = None
    finished: bool = False

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Bookmark:
        """Read the state of a stream.

        Args:
            state: The state; that of a stream which was never exported is empty.

        Raises:
            ValueError: If a time or the scope cannot be read.
        """
        latest = state.get("replication_key_value")
        made_with = state.get(SCOPE)
        try:
            return cls(
                state.get("cursor"),
                None if latest is None else times.parse(latest),
                None if made_with is None else Scope.of(made_with),
                finished=bool(made_with and made_with.get("finished")),
            )
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            message = f"The bookmark cannot be read ({error})"
            raise ValueError(message) from error

    def as_state(self, replication_key: str) -> dict[str, Any]:
        """Return what `of` reads.

        Args:
            replication_key: The property whose latest value is stored.
        """
        state: dict[str, Any] = {}
        if self.cursor:
            state["cursor"] = self.cursor
        if self.latest is not None:
            state["replication_key"] = replication_key
            state["replication_key_value"] = times.to_rfc3339(self.latest)
        if self.scope is not None:
            state[SCOPE] = self.scope.as_state() | {"finished": self.finished}
        return state


@dataclass(frozen=True)
class Job:
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
        return where(self.bookmark, self.scope, self.lookback, times.now())


@dataclass(frozen=True)
class Resume:
    """Where a run resumes.

    Attributes:
        text: That, in words.
        window: The time window to ask for with every page.
        cursor: The cursor to start with; None for the beginning of the window.
        latest: The latest time that counts as seen, in milliseconds since the epoch; None if
            nothing was seen.
        from_scratch: Whether the export starts over: what the bookmark says no longer counts.
        warning: Why that is so, if it was not so before.
    """

    text: str
    window: Window
    cursor: str | None = None
    latest: int | None = None
    from_scratch: bool = False
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
    return Resume(text, scope.window, from_scratch=True, warning=warning)
