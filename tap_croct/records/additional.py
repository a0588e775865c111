"""What the schema does not know: it lands in `additionalProperties`, and in a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_croct.decoding import decode, encode, opened
from tap_croct.schemas import ADDITIONAL, undeclared

if TYPE_CHECKING:
    from collections.abc import Iterable


def move_undeclared(rows: Iterable[dict[str, Any]], declared: frozenset[str]) -> bool:
    """Move the properties that the schema lacks into `additionalProperties`.

    Args:
        rows: Records; they are changed.
        declared: The properties of the schema.

    Returns:
        Whether there were any.
    """
    if declared.issuperset(set().union(*rows)):
        return False
    for row in rows:
        if not row.keys() <= declared:
            moved = {name: row.pop(name) for name in [*row] if name not in declared}
            row[ADDITIONAL] = joined(row.get(ADDITIONAL), moved)
    return True


def joined(own: object, moved: dict[str, Any]) -> dict[str, Any]:
    """Join what is moved into `additionalProperties` with what a record has there itself.

    Args:
        own: The record's own value, decoded or not.
        moved: What is moved, by name.

    Returns:
        The properties of both. An own value that is not an object, or that shares a name with what
        is moved, is kept whole as the property `additionalProperties`.
    """
    if own is None or encode(own) == b"null":
        return moved
    properties = opened(own)
    if properties is None or not properties.keys().isdisjoint(moved):
        return {ADDITIONAL: own, **moved}
    return {**properties, **moved}


class Unknown:
    """Collects the names of what the schema of a stream does not know.

    Attributes:
        names: Paths such as `payload.cart.giftWrap`.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        """Start with none.

        Args:
            schema: The tap's own schema of the stream.
        """
        self.names: set[str] = set()
        self._schema = schema
        self._objects = [n for n, p in schema["properties"].items() if "properties" in p]
        self._seen: set[tuple[str, int]] = set()

    def search(self, rows: Iterable[dict[str, Any]]) -> None:
        """Look into records, if none of their shape was seen before.

        Args:
            rows: Records as they are written, but not flattened.
        """
        for row in rows:
            nested = {name: row[name] for name in self._objects if name in row}
            text = encode(nested)
            shape = (str(row.get("eventType")), text.count(b'":'))
            if shape not in self._seen:
                self._seen.add(shape)
                self._look_into(text)

    def note_moved(self, rows: Iterable[dict[str, Any]]) -> None:
        """Note what was moved into `additionalProperties`.

        Args:
            rows: Records as they are written, but not flattened.
        """
        for row in rows:
            moved = row.get(ADDITIONAL)
            if isinstance(moved, dict):
                self.names.update(moved)

    def _look_into(self, text: bytes) -> None:
        try:
            nested = decode(msgspec.Raw(text))
        except (msgspec.ValidationError, ArithmeticError):  # a number that no parser takes
            return
        self.names.update(undeclared(nested, self._schema))
        self.names.discard("payload.type")  # the name of `@type` before contract 0.3.0
