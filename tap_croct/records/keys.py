"""Primary keys for items that have none."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tap_croct.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "croct.com")
_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")
_NO_KEY = (Raw(b"null"), Raw(b'""'))


def ensure_keys(rows: list[dict[str, Any]], name: str) -> bool:
    """Give the items without a primary key one that is derived from their content.

    Args:
        rows: Items as dicts, undecoded; they are changed.
        name: The primary key.

    Returns:
        Whether there were any.
    """
    derived = False
    for row in rows:
        if name not in row or row[name] in _NO_KEY:
            row[name] = derived_key({other: row[other] for other in row if other != name})
            derived = True
    return derived


def derived_key(item: Mapping[str, object]) -> str:
    """Derive the primary key of an item that has none.

    Args:
        item: The item as the API sent it, without the key; decoded or not.

    Returns:
        UUID version 5 of its canonical JSON (properties sorted, at every depth).
    """
    try:
        content = _CANONICAL.encode(decode(dict(item)))
    except (msgspec.ValidationError, ArithmeticError, RecursionError):  # no parser takes it
        content = _CANONICAL.encode(item)
    return str(uuid.uuid5(_NAMESPACE, content.decode()))
