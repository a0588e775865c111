"""Where a run resumes: a table of bookmarks and scopes."""

from __future__ import annotations

from typing import Any

import pytest

from tap_croct.bookmark import HOUR, Bookmark, by_time, where
from tap_croct.times import Scope, parse, to_rfc3339

DAY = 24 * HOUR
NOW = parse("2026-03-01T12:00:00Z")
LATEST = "2026-02-10T06:00:00.000Z"


def scope(
    start: str | None = None, end: str | None = None, types: list[str] | None = None
) -> dict[str, Any]:
    return {"start_date": start, "end_date": end, "event_types": types}


def state(made_with: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    bookmark = {
        "cursor": "c",
        "replication_key": "timestamp",
        "replication_key_value": LATEST,
        **more,
    }
    if made_with is not None:
        bookmark["scope"] = made_with
    return {name: value for name, value in bookmark.items() if value is not None}


CURSOR = "cursor"
ANEW = "anew"

TABLE: list[tuple[dict[str, Any] | None, dict[str, Any], str]] = [
    # made with, now, what happens: the cursor, everything anew, or by time from there
    (None, scope(), CURSOR),
    (None, scope("2020-01-01", "2030-01-01", ["a"]), CURSOR),
    (scope(), scope(), CURSOR),
    # narrower
    (scope(), scope("2026-01-01"), CURSOR),
    (scope(), scope(end="2026-02-20"), CURSOR),
    (scope(), scope(end="2026-02-01"), CURSOR),
    (scope(), scope(types=["a"]), CURSOR),
    (scope("2026-01-01"), scope("2026-01-02"), CURSOR),
    (scope(types=["a", "b"]), scope(types=["b"]), CURSOR),
    (scope(end="2026-03-01"), scope(end="2026-02-20"), CURSOR),
    # the same in other words
    (scope("2026-01-01"), scope("2026-01-01T01:00:00+01:00"), CURSOR),
    (scope(types=["b", "a", "a"]), scope(types=["a", "b"]), CURSOR),
    (scope(types=[]), scope(), CURSOR),
    ({}, scope(), CURSOR),
    # wider
    (scope("2026-01-02"), scope("2026-01-01"), ANEW),
    (scope("2026-01-02"), scope(), ANEW),
    (scope(types=["a"]), scope(types=["a", "b"]), ANEW),
    (scope(types=["a"]), scope(types=["b"]), ANEW),
    (scope(types=["a"]), scope(), ANEW),
    (scope(types=["a"]), scope(types=[]), ANEW),
    (scope("2026-01-02", "2026-02-01"), scope("2026-01-01", "2026-03-01"), ANEW),
    (scope("2026-01-02"), scope("2026-01-01", types=["a"]), ANEW),
    # a later end
    (scope(end="2026-02-11"), scope(end="2026-02-12"), "2026-02-09T06:00:00.000Z"),
    (scope(end="2026-02-11"), scope(), "2026-02-09T06:00:00.000Z"),
    (
        {**scope(end="2026-02-20"), "finished": True},
        scope(end="2026-02-25"),
        "2026-02-19T00:00:00.000Z",
    ),
    ({**scope(end="2026-02-20"), "finished": True}, scope(), "2026-02-19T00:00:00.000Z"),
    # a later end than that of a narrower scope, which the latest time lies beyond
    (scope(end="2026-02-05"), scope(), "2026-02-04T00:00:00.000Z"),
    # never before the start
    (
        {**scope(end="2026-02-20"), "finished": True},
        scope("2026-02-20"),
        "2026-02-20T00:00:00.000Z",
    ),
]


@pytest.mark.parametrize(("made_with", "now", "how"), TABLE)
def test_changed_scopes(made_with: dict[str, Any] | None, now: dict[str, Any], how: str) -> None:
    start = where(Bookmark.of(state(made_with)), Scope.of(now), DAY, NOW)
    if how == CURSOR:
        assert (start.cursor, start.from_scratch, start.warning) == ("c", False, None)
        assert start.window == Scope.of(now).window
        assert LATEST in start.text
    elif how == ANEW:
        assert (start.cursor, start.from_scratch, start.latest) == (None, True, None)
        assert start.warning
        assert start.window == Scope.of(now).window
    else:
        assert (start.cursor, start.from_scratch) == (None, False)
        assert to_rfc3339(start.window.start or 0) == how
        assert start.window.end == Scope.of(now).window.end
        assert start.latest == parse(LATEST)


def test_without_a_cursor() -> None:
    start = where(Bookmark.of(state(cursor=None)), Scope.of({}), 5 * HOUR, NOW)
    assert start.text == (
        "by time, from 2026-02-10T01:00:00.000Z (5 h before the latest time seen)"
    )
    assert start.window.start == parse(LATEST) - 5 * HOUR


def test_a_first_run() -> None:
    assert where(Bookmark.of({}), Scope.of({}), DAY, NOW).text == "from the beginning"
    start = where(Bookmark.of({}), Scope.of({"start_date": "2026-01-01"}), DAY, NOW)
    assert start.text == "from 2026-01-01T00:00:00.000Z (start_date)"
    assert start.warning is None


def test_a_time_in_the_future_says_nothing() -> None:
    future = state(replication_key_value="2026-03-31T00:00:00Z")
    start = where(Bookmark.of(future), Scope.of({}), DAY, NOW)
    assert (start.cursor, start.latest) == ("c", None)
    alone = where(Bookmark.of({**future, "cursor": None}), Scope.of({}), DAY, NOW)
    assert (alone.window.start, alone.from_scratch) == (None, True)
    assert "in the future" in str(alone.warning)
    later = where(Bookmark.of(state(scope(end="2026-02-01"))), Scope.of({}), DAY, 0)
    assert (later.window.start, later.from_scratch) == (None, True)


def test_a_lookback_beyond_the_calendar() -> None:
    start = by_time(Scope.of({}), 10**18, parse(LATEST))
    assert start.window.start == parse("0001-01-01")


@pytest.mark.parametrize(
    "bad",
    [
        {"start_date": 5},
        {"end_date": "soon"},
        {"event_types": 5},
        {"event_types": [{}]},
        {"start_date": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_scope_that_cannot_be_read(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|not a time"):
        Bookmark.of(state(bad))


def test_what_is_stored_is_read_again() -> None:
    bookmark = Bookmark(
        "c",
        parse(LATEST),
        Scope.of(scope("2026-01-01", types=["b", "a"])),
        finished=True,
    )
    stored = bookmark.as_state("timestamp")
    assert Bookmark.of(stored) == bookmark
    assert stored["scope"] == {
        "start_date": "2026-01-01T00:00:00.000Z",
        "end_date": None,
        "event_types": ["a", "b"],
        "finished": True,
    }
