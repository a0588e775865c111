"""Events as they came: what nobody looks into is neither decoded nor encoded again.

An export of events takes a third of the time this way (`make bench`). It is right only for events
of the usual shape, in a run without selection, stream maps, flattening and batch files; all else
goes the plain way, as dicts, and comes out the same.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Raw

from tap_croct import times
from tap_croct.pagination import Page

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable


class Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event of the usual shape; a struct would drop unknown fields, so they are forbidden."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    sessionId: Raw  # noqa: N815
    userId: Raw  # noqa: N815
    timestamp: Annotated[int, msgspec.Meta(ge=times.FIRST_MS, le=times.LAST_MS)]
    context: Raw
    payload: Raw


class _Record(msgspec.Struct, gc=False):
    id: str
    sessionId: Raw  # noqa: N815
    userId: Raw  # noqa: N815
    timestamp: str
    context: Raw
    payload: Raw
    eventType: Any  # noqa: N815
    metadata: Raw


class _Type(msgspec.Struct, gc=False):
    type: str = msgspec.field(name="@type")


_type_of = msgspec.json.Decoder(_Type).decode
decode = msgspec.json.Decoder(float_hook=Decimal).decode


def event_type(payload: object) -> Any:
    """Return the type of an event: its payload's `@type`, or `type` as it was before 0.3.0.

    Args:
        payload: The decoded payload.
    """
    return payload.get("@type", payload.get("type")) if isinstance(payload, dict) else None


class EventPage(Page):
    """A page of events of the usual shape."""

    items: list[Event]  # type: ignore[assignment]
    metadata: Raw = Raw(b"null")

    @override
    def latest(self, name: str) -> int | None:
        return max([event.timestamp for event in self.items], default=None)

    def records(self, look_into: Callable[[Event, Any], None]) -> list[_Record]:
        """Make records of the events.

        Args:
            look_into: Gets one event of each type, and its type, to look for what the schema does
                not know. To look into all of them would take as long as all the rest.
        """
        try:
            kinds = names = [_type_of(event.payload).type for event in self.items]
        except msgspec.ValidationError:
            kinds = [event_type(decode(event.payload)) for event in self.items]
            names = [str(kind) for kind in kinds]
        for kind, event in dict(zip(names, self.items, strict=True)).items():
            look_into(event, kind)
        moments = times.to_rfc3339s([event.timestamp for event in self.items])
        return [
            _Record(
                event.id,
                event.sessionId,
                event.userId,
                moment,
                event.context,
                event.payload,
                kind,
                self.metadata,
            )
            for event, moment, kind in zip(self.items, moments, kinds, strict=True)
        ]
