"""The streams: what differs between them."""

from typing import Any, ClassVar

from typing_extensions import override

from tap_croct import schemas
from tap_croct.logs import printable
from tap_croct.sync import CroctStream


class Events(CroctStream):
    """What users did."""

    name = "events"
    path = "/events"
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    replication_key = "timestamp"
    schema = schemas.EVENT

    @override
    def __init__(self, tap: Any) -> None:
        """Create the stream: the only one that the API filters by the types of events."""
        super().__init__(tap)
        self.event_types = self.config.get("event_types")

    @override
    def enrich(self, records: list[dict[str, Any]], metadata: Any) -> None:
        """Add the event's type, and where it belongs, to events that don't say so themselves."""
        for record in records:
            payload = record.get("payload")
            kind = None
            if isinstance(payload, dict):  # before contract 0.3.0, `@type` was called `type`
                kind = payload["@type"] if "@type" in payload else payload.get("type")
            if record.get("eventType") is None:
                record["eventType"] = kind
            if record.get("metadata") is None:
                record["metadata"] = metadata
            if kind is not None and (not isinstance(kind, str) or kind not in schemas.PAYLOADS):
                # What is not text can be a whole object, with personal data in it.
                name = printable(kind) if isinstance(kind, str) else "that is not text"
                self._tap.unknown.add(f"event type {name}")


class Sessions(CroctStream):
    """Visits: events of a user without a long pause."""

    name = "sessions"
    path = "/session"
    primary_keys: ClassVar[tuple[str, ...]] = ("sessionId",)
    replication_key = "closeTime"
    schema = schemas.SESSION


class Users(CroctStream):
    """Who they are."""

    name = "users"
    path = "/user"
    primary_keys: ClassVar[tuple[str, ...]] = ("userId",)
    replication_key = "lastModifiedTime"
    schema = schemas.USER

    @override
    def enrich(self, records: list[dict[str, Any]], metadata: Any) -> None:
        """Make lists of what was one string in contracts before 0.7.1."""
        for record in records:
            for name in ("activities", "interests"):
                if isinstance(value := record.get(name), str):
                    record[name] = [value]
