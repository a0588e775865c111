"""The usual shape of a stream's items: a struct that is made from the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw

from tap_croct import times

if TYPE_CHECKING:
    from collections.abc import Iterable

_Key = Annotated[str, msgspec.Meta(min_length=1)]
_Time = Annotated[int, msgspec.Meta(ge=times.FIRST_MS, le=times.LAST_MS)]
_Item = TypeVar("_Item")


class Body(msgspec.Struct, Generic[_Item]):
    """The body of a response; the attributes have the API's names."""

    items: list[_Item]
    nextCursor: str | None = None  # noqa: N815
    metadata: Raw = Raw(b"null")


class Shape:
    """What the items of a stream usually look like: a struct, which takes half the time of a dict.

    Usual is: the key is text and not empty; other text is text, and times are whole milliseconds
    within the calendar, if they are not null or missing; no property is unknown. Everything else
    may be anything: it stays undecoded.

    Attributes:
        attributes: The struct's attribute of each property; `UNSET` where an item lacks it.
        decode_body: Decodes the body of a response; a `msgspec.ValidationError` if any of its items
            is unusual.
        decode_items: Decodes a list of items, likewise.
    """

    def __init__(self, schema: dict[str, Any], key: str, more: Iterable[str] = ()) -> None:
        """Make the struct.

        Args:
            schema: The schema of the stream.
            key: The property that identifies an item.
            more: Names of other properties; any text.
        """
        own = schema["properties"]
        self.attributes = {name: name for name in own}
        for name in more:
            self.attributes.setdefault(name, f"more_{len(self.attributes)}")
        types = {name: _type(prop) for name, prop in own.items()}
        fields = [
            (attribute, types.get(name, Raw), msgspec.field(name=name, default=UNSET))
            for name, attribute in self.attributes.items()
            if name != key
        ]
        self._item = _struct("Item", [(key, _Key), *fields])
        self._names = [key, *(name for name in self.attributes if name != key)]
        self.decode_body = msgspec.json.Decoder(_body(self._item)).decode
        self.decode_items = msgspec.json.Decoder(_list(self._item)).decode

    def item(self, properties: dict[str, Any]) -> Any:
        """Make an item of its properties, whatever they are.

        Args:
            properties: By name: those of the schema, and the key among them.
        """
        attributes = self.attributes
        return self._item(**{attributes[name]: value for name, value in properties.items()})

    def properties(self, item: Any) -> dict[str, Any]:
        """Return the properties of an item by name.

        Args:
            item: The struct.
        """
        values = msgspec.structs.astuple(item)
        return {name: v for name, v in zip(self._names, values, strict=True) if v is not UNSET}


def _struct(name: str, fields: list[Any]) -> Any:
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, gc=False)


def _body(item: Any) -> Any:
    return Body[item]


def _list(item: Any) -> Any:
    return list[item]


def _type(schema: dict[str, Any]) -> Any:
    """Return the type of a property: text, times and objects with times in them are decoded."""
    if schema.get("format") == "date-time":
        return _Time | None
    if "string" in schema["type"]:
        return str | None
    if "array" in schema["type"]:
        return list[Raw] | str | None  # one string in contracts before 0.7.1
    if not _has_times(schema):
        return Raw
    fields = [(name, _type(prop), UNSET) for name, prop in schema["properties"].items()]
    return _struct("Object", fields) | None


def _has_times(schema: dict[str, Any]) -> bool:
    properties = schema.get("properties", {}).values()
    return schema.get("format") == "date-time" or any(map(_has_times, properties))
