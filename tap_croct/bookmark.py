"""The bookmark of a stream: where an export stopped, and what it was limited to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_croct import times
from tap_croct.times import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOKMARK = ("cursor", "replication_key", "replication_key_value")
"""What a stream's state holds, besides the scope."""

SCOPE = "scope"
"""Key of a stream's state: what the export was limited to when the bookmark was made."""


class Scope(msgspec.Struct, frozen=True):
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


class Bookmark(msgspec.Struct, frozen=True):
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
