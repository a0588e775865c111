"""Stream maps: the SDK's own, given records in which only what they look into is decoded."""

from __future__ import annotations

import ast
import fnmatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WHOLE_RECORD = {"_", "record"}


def properties_used(stream_maps: Mapping[str, Any], stream: str) -> set[str] | None:
    """Return the properties that the expressions of stream maps look into; None for all.

    Args:
        stream_maps: The setting.
        stream: Name of the stream whose records are mapped.
    """
    used: set[str] = set()
    for key, definition in stream_maps.items():
        if isinstance(definition, dict) and fnmatch.fnmatch(
            stream, definition.get("__source__", key)
        ):
            for name, expression in definition.items():
                if isinstance(expression, str):
                    used |= {name, *_names(expression)}
    return None if used & _WHOLE_RECORD else used


def _names(expression: str) -> Iterator[str]:
    try:
        nodes = ast.walk(ast.parse(expression))
    except SyntaxError:  # not an expression (`__alias__`), or a mistake that the SDK reports
        return
    yield from (node.id for node in nodes if isinstance(node, ast.Name))
