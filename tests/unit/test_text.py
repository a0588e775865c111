"""Texts from outside, made safe to log."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tap_croct import redaction
from tap_croct.text import escaped, listed, printable

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = 'k3y-"0f"\\the+sh/p'


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what other tests redact, and what these do."""
    monkeypatch.setattr(redaction, "_secrets", set())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a plain text, ünïcode 日本 🎉 too", "a plain text, ünïcode 日本 🎉 too"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nERROR forged", r"a\nERROR forged"),
        ("a\r\tb\x00", r"a\r\tb\x00"),
        ("C1: \x85 \x9b", r"C1: \x85 \x9b"),
        ("bidi: \u202e\u2066", r"bidi: \u202e\u2066"),
        ("lines: \u2028\u2029", r"lines: \u2028\u2029"),
        ("zero width: \u200b\u200d\ufeff", r"zero width: \u200b\u200d\ufeff"),
        ("half a pair: \ud83d", r"half a pair: \ud83d"),
        ("tag: \U000e0041", r"tag: \U000e0041"),
        (5, "5"),
        (None, "None"),
        (["a\nb"], r"['a\nb']"),
        pytest.param(10**5000, "(int)", id="digits"),
    ],
)
def test_what_is_not_printable_is_escaped(text: object, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()


def test_a_value_that_is_nested_too_deeply() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert printable(value) == "(list)"
    while value:  # or Python would recurse to free it
        value = value.pop()  # type: ignore[assignment]


def test_a_long_text_is_cut() -> None:
    assert printable("a" * 300) == "a" * 300
    assert printable("a" * 200_000) == "a" * 300 + "… (200,000 characters)"
    assert printable("\n" * 1000, limit=2) == r"\n\n… (1,000 characters)"


def test_a_long_list_is_cut() -> None:
    assert listed(["b", "a", "c\n"]) == r"a, b, c\n"
    text = listed({f"name{number:04}" for number in range(5000)})
    assert text.startswith("name0000, name0001, ")
    assert text.endswith("name0049 and 4,950 more")
    assert len(listed(["x" * 10_000] * 10_000)) < 10_000


def test_kept_characters() -> None:
    assert escaped("a\nb\t\x1b", keep="\n\t") == "a\nb\t\\x1b"


@pytest.mark.parametrize("limit", [5, 8, 10, 300])
def test_secrets_are_redacted_before_the_text_is_cut(limit: int) -> None:
    redaction.redact(KEY)
    shown = printable(f"key {KEY} and more", limit)
    assert shown.startswith("key ***"[:limit])
    assert KEY[:2] not in shown


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        quote(KEY),
        quote(KEY, safe=""),
        re.sub("%..", lambda found: found[0].lower(), quote(KEY, safe="")),
        repr(KEY)[1:-1],
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(KEY.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_forms_of_a_secret(form: str) -> None:
    redaction.redact(KEY)
    assert redaction.redacted(f"<{form}>") == "<***>"
    assert redaction.redacted("nothing") == "nothing"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", range(5))
@pytest.mark.parametrize("after", range(5))
def test_a_part_of_a_text_in_base64(
    before: int, after: int, encode: Callable[[bytes], bytes]
) -> None:
    """As in `Authorization: Basic`: what is left are the neighbours, and a character of the end."""
    key = "k3y-0f~~~th3??-sh0p>>>"
    redaction.redact(key)
    coded = encode(b"u" * before + key.encode() + b"p" * after).decode()
    shown = redaction.redacted(coded)
    left = shown.partition("***")
    assert left[1], shown
    assert len(left[0]) <= -(-before * 4 // 3)
    assert len(left[2].rstrip("=")) <= -(-(after + 1) * 4 // 3)


def test_what_is_too_short_to_be_a_secret() -> None:
    redaction.redact("key")
    assert redaction.redacted("Check `api_key`") == "Check `api_key`"
