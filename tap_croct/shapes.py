"""The usual shape of a stream's items: a struct that is made from the schema."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw

from tap_croct import times

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_Key = Annotated[str, msgspec.Meta(min_length=1)]
_Time = Annotated[int, msgspec.Meta(ge=times.FIRST_MS, le=times.LAST_MS)]
_Item = TypeVar("_Item")
_NOT_ENCODABLE = re.compile(r'["\\\x00-\x1f]')


class Body(msgspec.Struct, Generic[_Item]):
    """The body of a response; the attributes have the API's names."""

    items: list[_Item]
    nextCursor: str | None = None  # noqa: N815
    metadata: Raw = Raw(b"null")


class Shape:
    """What the items of a stream usually look like: a struct, decoded in half the time of a dict.

    Usual is: the key is text and not empty; everything else, unless it is null or missing, is what
    the schema says, times being whole milliseconds within the calendar; no property is unknown.
    Only text, times and lists are looked at for that: objects without times stay undecoded.

    Attributes:
        attributes: The struct's attribute of each property; `UNSET` where an item lacks it.
        unnamed: Properties whose names no struct can encode. Items that have them are unusual.
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
        types = {name: _type(prop) for name, prop in schema["properties"].items()}
        types[key] = _Key
        more = [name for name in more if name not in types]
        self.unnamed = [name for name in more if _NOT_ENCODABLE.search(name)]
        types |= {name: Raw for name in more if name not in self.unnamed}
        self._names = sorted(types, key=lambda name: name != key)  # what is required comes first
        self.attributes = {name: name for name in self._names + self.unnamed}
        for number, name in enumerate(more):
            self.attributes[name] = f"more_{number}"
        self._item = _struct(
            "Item",
            [
                (
                    self.attributes[name],
                    types[name],
                    msgspec.field(name=name, default=msgspec.NODEFAULT if name == key else UNSET),
                )
                for name in self._names
            ],
            open_ended=bool(self.unnamed),
        )
        for name in self.unnamed:
            setattr(self._item, self.attributes[name], UNSET)
        self.decode_body = msgspec.json.Decoder(_body(self._item)).decode
        self.decode_items = msgspec.json.Decoder(_list(self._item)).decode

    def item(self, properties: dict[str, Any]) -> Any:
        """Make an item from its properties, whatever their values are.

        Args:
            properties: By name, the key among them. All names have an attribute.
        """
        attributes, unnamed = self.attributes, self.unnamed
        named = {attributes[n]: value for n, value in properties.items() if n not in unnamed}
        item = self._item(**named)
        for name in unnamed:
            if name in properties:
                setattr(item, attributes[name], properties[name])
        return item

    def rows(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the properties of each item by name.

        Args:
            items: The structs.
        """
        rows: list[dict[str, Any]] = msgspec.to_builtins(items, builtin_types=(Raw, Decimal))
        for name in self.unnamed:
            for item, row in zip(items, rows, strict=True):
                value = getattr(item, self.attributes[name])
                if value is not UNSET:
                    row[name] = value
        return rows


def _struct(name: str, fields: list[Any], *, open_ended: bool = False) -> Any:
    return msgspec.defstruct(
        name, fields, forbid_unknown_fields=True, dict=open_ended, gc=open_ended
    )


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
