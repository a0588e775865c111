"""Stream maps: the SDK's own, given records in which only what they look into is decoded."""

from __future__ import annotations

import ast
import fnmatch
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MapExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.mapper import CustomStreamMap

_WHOLE_RECORD = {"_", "record"}
_WITHOUT_DATA = (AttributeError, TypeError)
"""Errors whose text names types only: that of others may quote a person's data."""

_WITH_DATA = "NumberTooHigh"
"""The one error of the SDK's evaluator whose text quotes the numbers that it was given."""


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


def failed_expression(stream_map: CustomStreamMap, error: Exception) -> MapExpressionError:
    """Return the error of an expression that fails on a record.

    Args:
        stream_map: The stream map; the expression that it evaluated last is the one that failed.
        error: What it raised. Its text is given only where it can't quote a person's data.
    """
    why = type(error).__name__
    if isinstance(error, MapExpressionError):
        cause = error.__cause__ or error
        why = type(cause).__name__
        if why != _WITH_DATA:
            why = str(cause)
    elif isinstance(error, _WITHOUT_DATA):
        why = f"{why}: {error}"
    message = (
        f"{stream_map.stream_alias}: the stream map `{stream_map.expr_evaluator.expr}` fails on a "
        f"record: {why}. A property may be null or missing: `… if … else None`"
    )
    return MapExpressionError(message)


def _names(expression: str) -> Iterator[str]:
    try:
        nodes = ast.walk(ast.parse(expression))
    except SyntaxError:  # not an expression (`__alias__`), or a mistake that the SDK reports
        return
    yield from (node.id for node in nodes if isinstance(node, ast.Name))
