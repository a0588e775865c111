"""From bytes to values: only what a step has to look into is decoded.

A page is split into items and an item into properties; most properties stay undecoded JSON
(`msgspec.Raw`). Whatever needs values decodes a *column*: one property of many records in one
call, which takes a fraction of the time of one call a record.
"""

from __future__ import annotations

import codecs
import re
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tap_croct import times
from tap_croct.nesting import named
from tap_croct.shapes import Body

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_croct.shapes import Shape

_CHECK_SIZE = 1 << 12  # bytes
_MARGIN = 30  # levels: how deep values may be nested depends on how many calls are under way
_SURROGATE = re.compile(rb"\\u[dD]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
)
_SCALAR = {str, type(None)}
_NUL_ESCAPE = re.compile(rb"\\(?:(u0000)|.)")


class Page(msgspec.Struct, frozen=True):
    """A response of the API.

    Attributes:
        items: The items: structs if all of them have the usual shape of the stream; if not, dicts
            of undecoded properties.
        usual: Which of the two.
        nextCursor: The cursor to resume from; null or empty at some ends.
        metadata: Which application the items belong to, undecoded; it comes with events only.
        repaired: Whether half surrogate pairs were replaced with U+FFFD.
    """

    items: list[Any]
    usual: bool
    nextCursor: str | None  # noqa: N815 - the API's name
    metadata: Raw
    repaired: bool

    def times(self, name: str) -> list[Any]:
        """Read a time of each item.

        Args:
            name: The property that holds it.

        Returns:
            For each, milliseconds since the epoch; None or `UNSET` if it is not a whole number.
        """
        if not self.usual:
            return milliseconds([item.get(name) for item in self.items])
        return [*map(attrgetter(name), self.items)]


_body = msgspec.json.Decoder(Body[dict[str, Raw]]).decode
_value = msgspec.json.Decoder(float_hook=Decimal).decode
_values = msgspec.json.Decoder(float_hook=Decimal).decode_lines
_integers = msgspec.json.Decoder(int | None).decode_lines
_objects = msgspec.json.Decoder(dict[str, Raw] | None).decode_lines
_object = msgspec.json.Decoder(dict[str, Raw]).decode
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Encode a value, undecoded parts of it as they are: `bytes` of compact JSON."""


def decode_page(body: bytes, shape: Shape, *, without_nul: bool = False) -> Page:
    """Split a response into items, and each item into its properties.

    Args:
        body: JSON, as it came.
        shape: The usual shape of the items.
        without_nul: Whether to replace NUL characters with U+FFFD, in names and values.

    Raises:
        msgspec.ValidationError: If it is not a page.
        msgspec.DecodeError: If it is not valid JSON.
        UnicodeDecodeError: If it is not UTF-8.
        RecursionError: If it is nested deeper than any parser follows (some 1,000 levels).
    """
    body, repaired = clean(body)
    with_nul = without_nul and b"\\u0000" in body
    page = None if with_nul else _usual(body, shape)
    usual = page is not None
    page = page or _body(body)
    if with_nul:
        _replace_nul(page.items)
        page.metadata = Raw(_NUL_ESCAPE.sub(_without_nul, bytes(page.metadata)))
    return Page(page.items, usual, page.nextCursor, page.metadata, repaired)


def _usual(body: bytes, shape: Shape) -> Any:
    try:
        return shape.decode_body(body)
    except msgspec.ValidationError:
        return None


def clean(body: bytes) -> tuple[bytes, bool]:
    """Make a body fit to be decoded, and to be passed on undecoded, in parts.

    Args:
        body: JSON, as it came.

    Returns:
        The body as UTF-8 JSON without line breaks, and whether it had half surrogate pairs, which
        no decoder takes: they are replaced with U+FFFD.

    Raises:
        UnicodeDecodeError: If it is not UTF-8.
        msgspec.DecodeError: If it has line breaks and is not valid JSON.
    """
    repaired = False
    if not body.isascii():
        _check_utf8(body)  # what is left undecoded would not be checked
    if b"\\" in body and _SURROGATE.search(body):  # the search alone takes 20 times as long
        whole = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
        repaired = whole != body
        body = whole
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)  # else they would break a RECORD line
    return body, repaired


def _replace_nul(items: list[dict[str, Raw]]) -> None:
    for item in items:
        for name, value in list(item.items()):
            text = bytes(value)
            if b"\\u0000" in text:
                item[name] = Raw(_NUL_ESCAPE.sub(_without_nul, text))
            if "\0" in name:
                item[name.replace("\0", "\ufffd")] = item.pop(name)


def _without_nul(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]


def _check_utf8(body: bytes) -> None:
    """Check the encoding, piece by piece: one string of the whole is slow to allocate."""
    position, end = 0, len(body)
    while position < end:
        piece = body[position : position + _CHECK_SIZE]
        final = position + _CHECK_SIZE >= end  # else it may end within a character
        position += codecs.utf_8_decode(piece, "strict", final)[1]


# Columns


def values_of(records: Sequence[Any], name: str) -> Iterable[Any]:
    """Return the values of a property.

    Args:
        records: All of them structs, or all of them dicts.
        name: The property.

    Returns:
        For each, its value; `UNSET` or None where it is missing.
    """
    if records and type(records[0]) is dict:
        return [record.get(name) for record in records]
    return map(attrgetter(name), records)


def column(values: Sequence[Any]) -> bytes:
    """Join values to JSON Lines.

    Args:
        values: Undecoded values pass as they are, others are encoded.
    """
    try:
        return b"\n".join(values)
    except TypeError:  # not all of them are `Raw`
        return b"\n".join([v if type(v) is Raw else encode(v) for v in values])


def having(rows: Sequence[dict[str, Any]], name: str) -> tuple[Sequence[dict[str, Any]], list[Any]]:
    """Return the records that have a property, and its values.

    Args:
        rows: Records.
        name: The property.
    """
    try:
        return rows, [row[name] for row in rows]
    except KeyError:
        holders = [row for row in rows if name in row]
        return holders, [row[name] for row in holders]


def decode(value: object) -> Any:
    """Decode a value all the way down; numbers with a fraction become `Decimal`.

    Args:
        value: `Raw`, or a value with undecoded parts.

    Raises:
        msgspec.ValidationError: If it is an integer of thousands of digits.
        decimal.InvalidOperation: If it is a number with an exponent that no `Decimal` has.
    """
    return _value(value if type(value) is Raw else encode(value))


def decode_column(rows: Sequence[dict[str, Any]], name: str, *, nested_only: bool = False) -> None:
    """Decode a property in all records that have it, all the way down.

    Args:
        rows: Records; they are changed. A value that no parser takes stays undecoded.
        name: The property.
        nested_only: Whether to leave a property as it is that is no object or list in any of them.
    """
    holders, values = having(rows, name)
    if _SCALAR.issuperset(map(type, values)):
        return
    if all(value is values[0] for value in values):  # as the metadata of a page
        values = values[:1]
    lines = column(values)
    if nested_only and b"{" not in lines and b"[" not in lines:
        return
    found: list[Any]
    try:
        found = _values(lines)
    except (msgspec.ValidationError, ArithmeticError, RecursionError):
        found = [_decoded(value) for value in values]
    found *= len(holders) // len(values)
    for row, value in zip(holders, found, strict=True):
        row[name] = value


def _decoded(value: object) -> Any:
    try:
        return decode(value)
    except (msgspec.ValidationError, ArithmeticError, RecursionError):
        return value


def unreadable(rows: Sequence[dict[str, Any]], key: str) -> str:
    """Find the record that cannot be decoded.

    Args:
        rows: The records of a page.
        key: The property that identifies a record.

    Returns:
        Such as `the record items[3] (id "abc")`; `a record`, if all of them can be.
    """
    for margin in (0, _MARGIN):
        for index, row in enumerate(rows):
            try:
                decode(Raw(b"[" * margin + encode(row) + b"]" * margin))
            except (msgspec.MsgspecError, ArithmeticError, RecursionError):
                return f"the record {named(index, key, encode(row[key]) if key in row else None)}"
    return "a record"


def milliseconds(values: Sequence[object]) -> list[int | None]:
    """Read a column of times.

    Args:
        values: Undecoded values of a property that holds a time.

    Returns:
        For each, milliseconds since the epoch; None where it is not a whole number.
    """
    try:
        found: list[int | None] = _integers(column(values))
    except msgspec.ValidationError:
        found = [times.to_milliseconds(number(value)) for value in values]
    return found


def number(value: object) -> Any:
    """Decode a value; a number that no parser takes is infinity, which is not a time either."""
    try:
        return decode(value)
    except (msgspec.ValidationError, ArithmeticError):
        return Decimal("Infinity")


def open_objects(values: Sequence[object]) -> list[dict[str, Raw] | None]:
    """Open one level of a column of objects.

    Args:
        values: Undecoded values, or values with undecoded parts.

    Returns:
        For each, its properties, undecoded; None for anything but an object.
    """
    try:
        found: list[dict[str, Raw] | None] = _objects(column(values))
    except msgspec.ValidationError:
        found = [opened(value) for value in values]
    return found


def opened(value: object) -> dict[str, Raw] | None:
    """Return the properties of an object, undecoded; None for anything else.

    Args:
        value: `Raw`, or a value with undecoded parts.
    """
    try:
        return _object(value if type(value) is Raw else encode(value))
    except msgspec.ValidationError:
        return None
