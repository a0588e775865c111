"""Makes texts from outside safe to log: no secret, no control characters, no endless lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tap_croct.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Collection

TEXT_LIMIT = 300
"""Characters of one text that a message quotes."""

NAME_LIMIT = 80
"""Characters of a name in a list of names."""

LIST_LIMIT = 50
"""Names that a list in a message contains."""


def printable(value: object, limit: int = TEXT_LIMIT) -> str:
    """Return a value from outside as one line that can be logged.

    Secrets are redacted before the text is cut: half a key is still a secret. Everything that is
    not printable is escaped as in Python source: control characters (C0 and C1), line and
    paragraph separators, bidirectional and zero-width marks, unpaired surrogates.

    Args:
        value: A text, or whatever stands where a text was expected.
        limit: Length at which the text is cut, in characters.

    Returns:
        The text; a cut one ends with its length.
    """
    text = redacted(value if isinstance(value, str) else _text(value))
    cut = escaped(text[:limit])
    return cut if len(text) <= limit else f"{cut}… ({len(text):,} characters)"


def escaped(text: str, keep: str = "") -> str:
    r"""Escape what is not printable, as in Python source (`\x1b`, `\u2028`).

    Args:
        text: A text.
        keep: Characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def listed(names: Collection[object], limit: int = LIST_LIMIT) -> str:
    """Return names from outside as a list that can be logged, in alphabetical order.

    Args:
        names: The names.
        limit: How many to list; the others are counted.

    Returns:
        Such as `a, b and 4,950 more`.
    """
    shown = sorted(printable(name, NAME_LIMIT) for name in names)[:limit]
    left = len(names) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def counted(number: int, one: str) -> str:
    """Return a number with its noun.

    Args:
        number: How many.
        one: The noun in the singular.

    Returns:
        Such as `1 retry` or `1,200 retries`.
    """
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number:,} {one if number == 1 else many}"


def _text(value: object) -> str:
    try:
        return str(value)
    except (RecursionError, ValueError):  # nested too deeply; an integer of thousands of digits
        return f"({type(value).__name__})"


def no_constant(name: str) -> NoReturn:
    """Reject what Python takes for JSON, and nothing else does: NaN passes every limit.

    Args:
        name: `NaN`, `Infinity` or `-Infinity`.

    Raises:
        ValueError: Always.
    """
    message = f"it has {name}, which is not a number of JSON"
    raise ValueError(message)
