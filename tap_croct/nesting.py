"""Finds the record that is nested deeper than any parser follows."""

from __future__ import annotations

import json
import re

from tap_croct.text import NAME_LIMIT, printable

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:,]', re.DOTALL)
_ITEMS_DEPTH = 2  # inside of the list of items
_ITEM_DEPTH = 3  # inside of an item


def deepest_record(body: bytes, key: str) -> str:
    """Find the most deeply nested record of a page.

    Args:
        body: JSON that a parser gave up on.
        key: The property that identifies a record.

    Returns:
        Such as `the record items[3] (id "abc")`; `the page`, if it is in none of them.
    """
    scan = _Scan(json.dumps(key).encode())
    for token in _TOKEN.finditer(body):
        scan.take(token[0])
    if scan.deepest is None:
        return "the page"
    index = scan.deepest
    return f"the record {named(index, key, scan.keys.get(index))}"


def named(index: int, key: str, value: bytes | None) -> str:
    """Name a record of a page.

    Args:
        index: Its index in the list of items.
        key: The property that identifies a record.
        value: The value of that, as JSON; None if it is missing.

    Returns:
        Such as `items[3] (id "abc")`; a text that is safe to log.
    """
    if value is None:
        return f"items[{index}]"
    return f"items[{index}] ({key} {printable(value.decode(errors='replace'), NAME_LIMIT)})"


class _Scan:
    """Follows JSON token by token, without any recursion."""

    def __init__(self, key: bytes) -> None:
        self.deepest: int | None = None
        self.keys: dict[int, bytes] = {}
        self._key = key
        self._depth = self._most = 0
        self._in_items = False
        self._index = 0
        self._name = self._last = b""

    def take(self, token: bytes) -> None:
        if token in (b"{", b"["):
            if self._depth == 1:
                self._in_items = self._name == b'"items"'
            self._depth += 1
            self._measure()
        elif token in (b"}", b"]"):
            self._depth -= 1
        elif token == b":":
            self._name = self._last
        elif token == b",":
            self._index += self._in_items and self._depth == _ITEMS_DEPTH
            self._name = b""
        elif self._in_items and self._depth == _ITEM_DEPTH and self._name == self._key:
            self.keys[self._index] = token
        self._last = token

    def _measure(self) -> None:
        if self._depth > self._most:
            self._most = self._depth
            self.deepest = self._index if self._in_items else None
