"""A record that cannot be decoded is named, whoever tried to decode it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Raw

from tap_croct.decoding import decode, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable


def further_down(calls: int, function: Callable[[], Any]) -> Any:
    return further_down(calls - 1, function) if calls else function()


def test_near_the_limit_of_nesting() -> None:
    """The step that failed was further down, where Python up to 3.11 takes less nesting."""
    failed = 0
    for levels in (*range(600, 1000), 100_000):
        value = Raw(b"[" * levels + b"]" * levels)
        rows = [{"id": Raw(b'"a"')}, {"id": Raw(b'"b"'), "payload": value}]
        try:
            further_down(20, lambda value=value: decode(value))  # type: ignore[misc]
        except RecursionError:
            failed += 1
            assert unreadable(rows, "id") == 'the record items[1] (id "b")'
    assert failed


def test_none_of_them() -> None:
    assert unreadable([{"id": Raw(b'"a"'), "payload": Raw(b"{}")}], "id") == "a record"
