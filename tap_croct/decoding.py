"""From the body of a response to a page."""

from __future__ import annotations

import codecs
import functools
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tap_croct.pagination import Page

_CHECK_SIZE = 1 << 14  # bytes
_SURROGATE = re.compile(rb"\\u[dD]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
)


@functools.cache
def decoder(page_type: type[Page]) -> msgspec.json.Decoder[Page]:
    """Return a decoder of pages; numbers with a fraction become Decimal: they stay as they came."""
    return msgspec.json.Decoder(page_type, float_hook=Decimal)


def clean(body: bytes) -> tuple[bytes, bool]:
    """Make a body fit to be decoded, and to be passed on undecoded, in parts.

    Args:
        body: JSON, as it came.

    Returns:
        The body as UTF-8 JSON without line breaks, and whether it had half surrogate pairs, which
        no decoder takes: they are replaced by U+FFFD.

    Raises:
        UnicodeDecodeError: If it is no UTF-8.
        msgspec.DecodeError: If it has line breaks and is no JSON.
    """
    repaired = False
    if not body.isascii():
        _check_utf8(body)  # what is left undecoded would not be checked
    if b"\\" in body and _SURROGATE.search(body):  # the search alone takes 20 times as long
        whole = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
        repaired = whole != body
        body = whole
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)  # else they would break a RECORD line
    return body, repaired


def _check_utf8(body: bytes) -> None:
    """Check the encoding; by the piece, for the whole as a string is slow to allocate."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for start in range(0, len(body), _CHECK_SIZE):
        decode(body[start : start + _CHECK_SIZE])
    decode(b"", final=True)
