"""The streams: what differs between them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from tap_croct import schemas
from tap_croct.client import CroctStream
from tap_croct.verbatim import Event, EventPage, decode, event_type

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context, Record

    from tap_croct.pagination import Page
    from tap_croct.tap import TapCroct


class Events(CroctStream):
    """What users did."""

    name = "events"
    path = "/events"
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    replication_key = "timestamp"
    schema = schemas.EVENT
    page_type = EventPage

    @override
    def __init__(self, tap: TapCroct) -> None:
        """Create the stream."""
        super().__init__(tap)
        self._shapes: set[tuple[str, int, int]] = set()

    @override
    def records(self, page: Page) -> list[Any]:
        """Make records of a page: see `EventPage` for events of the usual shape."""
        if isinstance(page, EventPage):
            return page.records(self._look_into)
        return super().records(page)

    def _look_into(self, event: Event, kind: object) -> None:
        """Look for what the schema does not know in an event, if none of its shape was seen."""
        shape = (str(kind), bytes(event.payload).count(b'":'), bytes(event.context).count(b'":'))
        if shape not in self._shapes:
            self._shapes.add(shape)
            self.note_unknown({"payload": decode(event.payload), "context": decode(event.context)})

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        """Add the event's type and where it belongs, beside what all streams do."""
        record = super().post_process(row, context)
        if record is not None:
            record["eventType"] = event_type(record.get("payload"))
            record["metadata"] = self._page.metadata
        return record

    @override
    def note_unknown(self, item: dict[str, Any]) -> None:
        """Note unknown types of events, too."""
        super().note_unknown(item)
        self._tap.unknown.discard("events.payload.type")  # what `@type` was called before 0.3.0
        kind = event_type(item.get("payload"))
        if kind not in schemas.EVENT_TYPES:
            self._tap.unknown.add(f"event type {kind}")


class Sessions(CroctStream):
    """Visits: events of a user without a long pause."""

    name = "sessions"
    path = "/session"
    primary_keys: ClassVar[tuple[str, ...]] = ("sessionId",)
    replication_key = "closeTime"
    schema = schemas.SESSION


class Users(CroctStream):
    """Who they were."""

    name = "users"
    path = "/user"
    primary_keys: ClassVar[tuple[str, ...]] = ("userId",)
    replication_key = "lastModifiedTime"
    schema = schemas.USER

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        """Make lists of what was one string in contracts before 0.7.1."""
        record = super().post_process(row, context)
        if record is not None:
            for name in ("activities", "interests"):
                if isinstance(record.get(name), str):
                    record[name] = [record[name]]
        return record
