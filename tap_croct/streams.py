"""The streams: what differs between them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from tap_croct import schemas
from tap_croct.decoding import column, decode, decode_column, having
from tap_croct.sync import CroctStream

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk.helpers.types import Context

    from tap_croct.export import ExportedPage


class _Type(msgspec.Struct, gc=False):
    type: str = msgspec.field(name="@type")


_types = msgspec.json.Decoder(list[_Type]).decode


class Events(CroctStream):
    """What users did."""

    name = "events"
    path = "/events"
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    replication_key = "timestamp"
    schema = schemas.EVENT

    @property
    @override
    def event_types(self) -> list[str] | None:
        """The types of events that the configuration asks for; None for all."""
        types: list[str] | None = self.config.get("event_types")
        return types

    @override
    def get_url_params(
        self, context: Context | None, next_page_token: str | None
    ) -> dict[str, Any]:
        """Ask for some types of events, if that is set."""
        params = super().get_url_params(context, next_page_token)
        return {**params, "events": self.event_types}

    @override
    def complete(self, records: list[dict[str, Any]], page: ExportedPage) -> None:
        """Add the event's type, and where it belongs, to events that don't say so themselves."""
        types = _event_types(records)
        for record, kind in zip(records, types, strict=True):
            if "eventType" in record or "metadata" in record:
                _add(record, eventType=kind, metadata=page.metadata)
            else:
                record["eventType"] = kind
                record["metadata"] = page.metadata
        unknown = {str(kind) for kind in types if kind is not None} - schemas.PAYLOADS.keys()
        self._tap.unknown.update(f"event type {kind}" for kind in unknown)

    @override
    def samples(self, records: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """Choose one event of each type, after the first pages."""
        if super().samples(records) is records:
            return records
        return {str(record.get("eventType")): record for record in records}.values()


def _add(record: dict[str, Any], **more: Any) -> None:
    """Add properties, except those that the record has and that are not null."""
    for name, value in more.items():
        decode_column([record], name)
        if record.get(name) is None:
            record[name] = value


def _event_types(records: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the `@type` of each payload, or `type` as it was called before contract 0.3.0."""
    try:
        return [kind.type for kind in _types(column([record["payload"] for record in records]))]
    except (KeyError, msgspec.ValidationError):
        return [_event_type(record.get("payload")) for record in records]


def _event_type(payload: object) -> Any:
    try:
        value = decode(payload)
    except (msgspec.ValidationError, ArithmeticError):
        return None
    return value.get("@type", value.get("type")) if isinstance(value, dict) else None


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
    def complete(self, records: list[dict[str, Any]], page: ExportedPage) -> None:
        """Make lists of what was one string in contracts before 0.7.1."""
        for name in ("activities", "interests"):
            if b'"' not in column(having(records, name)[1]):
                continue
            for record in records:
                value = record.get(name)
                if value is not None and bytes(value)[:1] == b'"':
                    record[name] = msgspec.Raw(b"[%b]" % bytes(value))
