"""What a response says: a page of plain dicts, problem details, how long to wait."""

import codecs
import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tap_croct.logs import no_constant

SURROGATES_REPLACED = "unpaired surrogates are not text: replaced with U+FFFD"
NUMBERS_AS_TEXT = "numbers that no decimal can hold are exported as text"

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_SURROGATE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
)
_YEAR = 365 * 86_400.0  # seconds
_NUL = re.compile(rb"\\(?:(u0000)|.)")
_INTEGER_DIGITS = 18
"""How many digits an integer can have to be one in every program; longer ones are decimals."""


@dataclass(frozen=True)
class Page:
    """A response of the API.

    Attributes:
        items: The items as dicts; numbers with a fraction are `Decimal`, so that each keeps its
            digits.
        next_cursor: The cursor to resume from; null or empty at some ends.
        metadata: Which application the items belong to; it comes with events only.
        repairs: What had to be changed so that the page could be read, one sentence each.
        received: When it was received, in milliseconds since the epoch; 0 if it was not given.
    """

    items: list[dict[str, Any]]
    next_cursor: str | None = None
    metadata: Any = None
    repairs: tuple[str, ...] = ()
    received: int = 0


def decode_page(body: bytes, *, replace_nul: bool = False, received: int = 0) -> Page:
    """Decode a response.

    Args:
        body: The body as it came.
        replace_nul: Whether to replace NUL characters with U+FFFD, in names and values.
        received: When it was received, in milliseconds since the epoch.

    Raises:
        ValueError: If it is not valid JSON.
        TypeError: If it is valid JSON, but not a page.
        RecursionError: If it is nested deeper than any decoder follows (some 1,000 levels).
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    page = _page(body, received)
    if replace_nul and b"\\u0000" in body:  # the cursor goes back to the API as it came
        return replace(_page(_replaced(_NUL, body), received), next_cursor=page.next_cursor)
    return page


def _page(body: bytes, received: int) -> Page:
    repairs: set[str] = set()
    try:
        document = _decode(body)
    except (msgspec.MsgspecError, InvalidOperation):
        document = _repaired(body, repairs)
    if not isinstance(document, dict):
        message = "it is not an object"
        raise TypeError(message)
    items, cursor = document.get("items"), document.get("nextCursor")
    if not isinstance(items, list) or not {*map(type, items)} <= {dict}:
        message = (
            "its `items` are not a list of objects" if "items" in document else "it has no `items`"
        )
        raise TypeError(message)
    if not isinstance(cursor, str | None):
        kind = {dict: "an object", list: "a list", bool: "a boolean"}.get(type(cursor), "a number")
        message = f"its `nextCursor` is not text, but {kind}"
        raise TypeError(message)
    return Page(items, cursor, document.get("metadata"), tuple(sorted(repairs)), received)


def _repaired(body: bytes, repairs: set[str]) -> Any:
    """Decode what msgspec rejects, and collect what had to be changed."""

    def number(text: str) -> Decimal | str:
        try:
            return Decimal(text)
        except InvalidOperation:
            repairs.add(NUMBERS_AS_TEXT)
            return text

    def integer(text: str) -> Any:
        return int(text) if len(text) <= _INTEGER_DIGITS else number(text)

    whole = _replaced(_SURROGATE, body)
    if whole != body:
        repairs.add(SURROGATES_REPLACED)
    return json.loads(
        whole.decode(), parse_int=integer, parse_float=number, parse_constant=no_constant
    )


def _replaced(escape: re.Pattern[bytes], body: bytes) -> bytes:
    """Replace the escapes that a pattern's group matches with U+FFFD."""
    return escape.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)


def problem_details(body: bytes) -> dict[str, Any]:
    """Return the problem details (RFC 9457) in the body of an error; nothing if it has none.

    Args:
        body: The body, whatever it is.
    """
    try:
        details = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return details if isinstance(details, dict) else {}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how long the API asks to wait.

    Args:
        headers: May hold `Retry-After`, in seconds or as an HTTP date.

    Returns:
        Seconds up to a year, counted from the header `Date` if there is one; None if the
        header is missing or cannot be understood.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _YEAR)
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(headers.get("Date", ""))
    now = datetime.now(timezone.utc).timestamp() if now is None else now
    return min(max(0.0, until - now), _YEAR)


def _http_date(value: str) -> float | None:
    """Return the seconds since the epoch; None for what is not a date, or an impossible one."""
    try:
        date = email.utils.parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
