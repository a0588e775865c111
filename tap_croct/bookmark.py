"""The bookmark of a stream: where an export stopped, and where the next one resumes."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tap_croct import times
from tap_croct.errors import InputError
from tap_croct.logs import NAME_LIMIT, printable
from tap_croct.times import Scope, Window

SCOPE = "scope"
"""Key of a stream's state: what the export was limited to when the bookmark was made."""

BOOKMARK = ("cursor", "replication_key", "replication_key_value", SCOPE)
"""What a stream's state holds."""

HOUR = 3_600_000
"""Milliseconds of an hour."""


@dataclass(frozen=True)
class Bookmark:
    """Where an export stopped.

    Attributes:
        cursor: Where to resume; None if the API gave none.
        latest: The latest time seen, in milliseconds since the epoch.
        scope: What the export was limited to; None if that is not known (before version 0.2).
        finished: Whether the export had reached the end of its window, which was in the past.
    """

    cursor: str | None = None
    latest: int | None = None
    scope: Scope | None = None
    finished: bool = False

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Bookmark":
        """Read the state of a stream.

        Args:
            state: The state; that of a stream which was never exported is empty.

        Raises:
            ValueError: If a part has the wrong type, or a time or the scope cannot be read.
        """
        for name, value in state.items():
            kind = dict if name == SCOPE else str
            if name in BOOKMARK and value is not None and not isinstance(value, kind):
                what = f"a `{name}` that is not {'an object' if name == SCOPE else 'a string'}"
                raise ValueError(what)
        latest, made_with = state.get("replication_key_value"), state.get(SCOPE)
        what = "a `replication_key_value` that is not a time"
        try:
            seen = None if latest is None else times.parse(latest)
            what = f"a `{SCOPE}` that cannot be read"
            scope = None if made_with is None else Scope.of(made_with)
            finished = bool(made_with and made_with.get("finished"))
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(what) from error
        return cls(state.get("cursor"), seen, scope, finished)

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


def checked_state(
    state: dict[str, Any], streams: Iterable[str], logger: logging.Logger
) -> dict[str, Any]:
    """Return the bookmarks of a state, without what only an unfinished run leaves there.

    Args:
        state: A state, or a STATE message around one.
        streams: Names of the streams.
        logger: For a warning about bookmarks of other streams.

    Returns:
        The state; bookmarks of other streams are kept as they are.

    Raises:
        InputError: If something in it cannot be a bookmark.
    """
    if state.get("type") == "STATE":
        state = state.get("value")  # type: ignore[assignment]
    if state == {}:
        return {}
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict):
        message = (
            'The state must look like {"bookmarks": {"events": {…}}}; with `{}`, everything is '
            "exported from the beginning"
        )
        raise InputError(message)
    checked = {}
    for name, bookmark in bookmarks.items():
        text = printable(name, NAME_LIMIT)
        if not isinstance(bookmark, dict):
            message = f"The state of {text} must be an object"
            raise InputError(message)
        if name not in streams:
            logger.warning(
                "The state has a bookmark of %s, which is not a stream of this tap: "
                "it is ignored, and kept in the state",
                text,
            )
        checked[name] = _checked_bookmark(name, bookmark) if name in streams else bookmark
    return {"bookmarks": checked}


def _checked_bookmark(stream: str, bookmark: dict[str, Any]) -> dict[str, Any]:
    checked = {name: bookmark[name] for name in BOOKMARK if bookmark.get(name) not in (None, "")}
    try:
        Bookmark.of(checked)
    except ValueError as error:
        message = (
            f"The state of {stream} has {error}. Correct it, or remove the bookmark of the "
            "stream: it is exported from the beginning then"
        )
        raise InputError(message) from None
    return checked


@dataclass(frozen=True)
class Resume:
    """Where a run resumes.

    Attributes:
        text: A description of it for the log.
        window: The time window to ask for with every page.
        cursor: The cursor to start with; None for the beginning of the window.
        latest: The latest time that counts as seen, in milliseconds since the epoch; None if
            nothing was seen.
        from_scratch: Whether the export starts over: what the bookmark says no longer counts.
        warning: Why an earlier bookmark no longer counts; None if there was none.
    """

    text: str
    window: Window
    cursor: str | None = None
    latest: int | None = None
    from_scratch: bool = False
    warning: str | None = None


def resume_point(bookmark: Bookmark, scope: Scope, lookback: int, now: int) -> Resume:
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
    """Resume where the window ended, or where the export got to before that.

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
