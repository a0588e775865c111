"""The streams: what differs between them."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from msgspec import UNSET, Raw

from tap_croct import schemas
from tap_croct.decoding import column, decode
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


_types = msgspec.json.Decoder(_Type).decode_lines
_KNOWN = frozenset(schemas.PAYLOADS)
_NOT_GIVEN = (UNSET, None, Raw(b"null"))


class Events(CroctStream):
    """What users did."""

    name = "events"
    path = "/events"
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    replication_key = "timestamp"
    schema = schemas.EVENT
    kind = "eventType"

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
    def complete(self, items: list[Any], page: ExportedPage) -> None:
        """Add the event's type, and where it belongs, to events that don't say so themselves."""
        types = _event_types(items)
        metadata = page.metadata
        for item, kind in zip(items, types, strict=True):
            if item.eventType in _NOT_GIVEN:
                item.eventType = kind
            if item.metadata in _NOT_GIVEN:
                item.metadata = metadata
        self._tap.unknown.update(f"event type {kind}" for kind in _unknown(types))


def _event_types(items: Sequence[Any]) -> list[Any]:
    """Return the `@type` of each payload, or `type` as it was called before contract 0.3.0."""
    payloads = [item.payload for item in items]
    try:
        return [kind.type for kind in _types(column(payloads))]
    except (TypeError, msgspec.ValidationError):  # one is missing, or not an object with a type
        return [None if payload is UNSET else _event_type(payload) for payload in payloads]


def _event_type(payload: object) -> Any:
    try:
        value = decode(payload)
    except (msgspec.ValidationError, ArithmeticError):
        return None
    return value.get("@type", value.get("type")) if isinstance(value, dict) else None


def _unknown(types: Sequence[Any]) -> Iterable[str]:
    with suppress(TypeError):  # one is an object or a list
        if _KNOWN.issuperset(types):
            return ()
    return {str(kind) for kind in types if kind is not None} - _KNOWN


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
    def complete(self, items: list[Any], page: ExportedPage) -> None:
        """Make lists of what was one string in contracts before 0.7.1."""
        for name in ("activities", "interests"):
            for item in items:
                value = getattr(item, name)
                if type(value) is str:
                    setattr(item, name, [value])
                elif type(value) is Raw and bytes(value)[:1] == b'"':
                    setattr(item, name, Raw(b"[%b]" % value))
