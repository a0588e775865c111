"""What the schema does not know: it lands in `additionalProperties`, and in a warning."""

from __future__ import annotations

from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw

from tap_croct.decoding import decode, encode, opened, values_of
from tap_croct.schemas import ADDITIONAL, undeclared

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet

_SEARCHED_WHOLE = 2000
"""How many records of a run are searched in full for properties that the schema lacks."""

_SEARCHED_PAGES = 4
"""After that, one page of so many is searched, in part: all of each would take a quarter of the
time of a long export."""


def move_undeclared(rows: Collection[dict[str, Any]], declared: AbstractSet[str]) -> set[str]:
    """Move the properties that the schema lacks into `additionalProperties`.

    Args:
        rows: Records; they are changed.
        declared: The properties of the schema.

    Returns:
        Their names.
    """
    names = set().union(*rows) - declared
    for row in rows if names else ():
        if moved := {name: row.pop(name) for name in sorted(row.keys() & names)}:
            row[ADDITIONAL] = joined(row.get(ADDITIONAL), moved)
    return names


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

    def __init__(self, schema: dict[str, Any], kind: str | None) -> None:
        """Start with none.

        Args:
            schema: The tap's own schema of the stream.
            kind: The property that names the kind of a record, if there is one.
        """
        self.names: set[str] = set()
        self._schema = schema
        self._kind = kind
        self._objects = [n for n, p in schema["properties"].items() if "properties" in p]
        self._seen: set[tuple[str, int]] = set()
        self._records = self._pages = 0

    def search(self, records: Sequence[Any]) -> None:
        """Look into a sample of records, if none of their content was seen before.

        Args:
            records: Records of a page, as they are written, but not flattened.
        """
        self._records += len(records)
        self._pages += 1
        if self._records > _SEARCHED_WHOLE and self._pages % _SEARCHED_PAGES:
            return
        kinds, sample = self._sample(records)
        columns = [values_of(sample, name) for name in self._objects]
        for kind, *values in zip(kinds, *columns, strict=True):
            nested = zip(self._objects, values, strict=True)
            text = encode({name: value for name, value in nested if value is not UNSET})
            content = kind, text.count(b'":')  # about how many properties it has
            if content not in self._seen:
                self._seen.add(content)
                self._look_into(text)

    def _sample(self, records: Sequence[Any]) -> tuple[Iterable[str], Sequence[Any]]:
        """Choose the records to look into, with their kinds."""
        whole = self._records <= _SEARCHED_WHOLE
        if self._kind is None:
            sample = records if whole else records[::10]
            return repeat("", len(sample)), sample
        kinds = [*map(str, values_of(records, self._kind))]
        if whole:
            return kinds, records
        one_each = dict(zip(kinds, records, strict=True))
        return one_each.keys(), [*one_each.values()]

    def note(self, moved: set[str], records: Sequence[Any]) -> None:
        """Note what was moved into `additionalProperties`, if it is written.

        Args:
            moved: The names.
            records: Records of the page, as they are written, but not flattened.
        """
        for value in values_of(records, ADDITIONAL) if moved else ():
            if value is not UNSET:
                with suppress(RecursionError):  # nested too deeply to be opened
                    self.names.update(moved & (opened(value) or {}).keys())

    def _look_into(self, text: bytes) -> None:
        try:
            nested = decode(Raw(text))
        except (msgspec.ValidationError, ArithmeticError):  # a number that no parser takes
            return
        self.names.update(undeclared(nested, self._schema))
        self.names.discard("payload.type")  # the name of `@type` before contract 0.3.0
