"""Keeps secrets, the API key above all, out of every text that people may read."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

_MASK = "***"
_SHORTEST = 4  # characters: anything shorter is not a secret, and part of many words
_secrets: set[str] = set()


def redact(secret: str) -> None:
    """Have `redacted` remove a secret from now on.

    Args:
        secret: What must not be seen: as it is, nor as it looks in a URL, in JSON, in HTML or in
            a Python literal. One of fewer than four characters is not removed.
    """
    if len(secret) >= _SHORTEST:
        forms = (str, quote, quote_plus, html.escape, _within_json, _within_literal)
        _secrets.update(form(secret) for form in forms)


def redacted(text: str) -> str:
    """Return a text without the secrets.

    Args:
        text: A text that was not cut: half a key would not be recognized.
    """
    for secret in sorted(_secrets, key=len, reverse=True):  # a short form may be part of a long one
        text = text.replace(secret, _MASK)
    return text


def _within_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _within_literal(text: str) -> str:
    return repr(text)[1:-1]
