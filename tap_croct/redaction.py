"""Keeps secrets, the API key above all, out of every text that people may read."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

_MASK = "***"
_SHORTEST = 4  # characters: anything shorter is not a secret, and part of many words
_SHORTEST_IN_BASE64 = 6
_ESCAPE = re.compile("%[0-9A-F]{2}")
_URL_SAFE = str.maketrans("+/", "-_")
_secrets: set[str] = set()


def redact(secret: str) -> None:
    """Have `redacted` remove a secret from now on.

    Args:
        secret: What must not be seen: as it is, nor as it looks in a URL, in base64, in JSON, in
            HTML or in a Python literal. One of fewer than four characters is not removed.
    """
    if len(secret) >= _SHORTEST:
        _secrets.update(form(secret) for form in (str, html.escape, _within_json, _within_literal))
        for encoded in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
            _secrets.update((encoded, _ESCAPE.sub(lambda found: found[0].lower(), encoded)))
        for before in range(3):
            _secrets.update(_in_base64(secret.encode(), before))


def redacted(text: str) -> str:
    """Return a text without the secrets.

    Args:
        text: A text that was not cut: half a key would not be recognized.
    """
    for secret in sorted(_secrets, key=len, reverse=True):  # a short form may be part of a long one
        text = text.replace(secret, _MASK)
    return text


def _in_base64(secret: bytes, before: int) -> Iterator[str]:
    """Yield what is the same of a secret in all texts in base64 that hold it.

    Args:
        secret: The secret.
        before: Number of bytes in front of it, modulo 3: three bytes become four characters, and
            those at its ends are shared with its neighbours.
    """
    text = base64.b64encode(bytes(before) + secret).decode()
    first, end = -(-8 * before // 6), 8 * (before + len(secret)) // 6
    forms = {text[first:end]} if before else {text, text.rstrip("="), text[:end]}
    for form in forms:
        if len(form) >= _SHORTEST_IN_BASE64:
            yield from (form, form.translate(_URL_SAFE))


def _within_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _within_literal(text: str) -> str:
    return repr(text)[1:-1]
