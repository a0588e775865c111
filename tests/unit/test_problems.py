"""Answers of the API as odd as they come: always a message, never a bare exception."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import requests

from tap_croct.errors import describe, fatal_error, problem, retry_after

URL = "https://api.croct.io:8443/export/events"


def response(
    status: int, reason: str = "", body: bytes = b"", url: str = URL, **headers: str
) -> requests.Response:
    answer = requests.Response()
    answer.raw = io.BytesIO(body)
    answer.status_code = status
    answer.reason = reason
    answer.url = url
    answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return answer


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("5", 5),
        (" 5 ", 5),
        ("0", 0),
        ("9" * 400, 31_536_000),
        ("9" * 100_000, 31_536_000),
        ("-5", None),
        ("5.5", None),
        ("²", None),
        ("soon", None),
        ("Mon, 23 Nov 2026 10:00:10 GMT", 10),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("Mon, 99 Feb 2026 10:00:00 GMT", None),
        ("Mon, 23 Nov 99999 10:00:00 GMT", None),
        ("Mon, 23 Nov 2026 10:00:00 +9999999999", None),
        ("Mon, 23 Nov 0001 10:00:00 +2359", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 31_536_000),
        ("Mon, 23 Nov 2026 10:61:00 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    answer = response(429, Retry_After=value, Date="Mon, 23 Nov 2026 10:00:00 GMT")
    assert retry_after(answer) == seconds


@pytest.mark.parametrize("date", ["", "Mon, 99 Nov 2026 10:00:00 +9999999999"])
def test_retry_after_without_a_possible_date_of_the_answer(date: str) -> None:
    answer = response(429, Retry_After="Mon, 23 Nov 1990 10:00:00 GMT", Date=date)
    assert retry_after(answer) == 0


def test_no_retry_after() -> None:
    assert retry_after(response(429)) is None


BODIES: list[tuple[Any, str]] = [
    (b"", "400 Bad Request"),
    (b"<html>", "400 Bad Request"),
    (b"\xff\xfe", "400 Bad Request"),
    (b"[" * 100_000, "400 Bad Request"),
    (b'{"title":' * 100_000, "400 Bad Request"),
    (b'{"title":' + b"9" * 5000 + b"}", "400 Bad Request"),
    ([1], "400 Bad Request"),
    ({}, "400 Bad Request"),
    ({"title": "No"}, "400 Bad Request, No"),
    ({"title": "Bad Request"}, "400 Bad Request"),
    ({"title": "Bad Request", "detail": "No"}, "400 Bad Request, No"),
    ({"title": "No", "detail": "a\n b"}, "400 Bad Request, No: a b"),
    ({"title": 5, "details": ["x"]}, "400 Bad Request, 5: ['x']"),
    ({"title": {"a": "\x1b[31m"}}, "400 Bad Request, {'a': '\\x1b[31m'}"),
    ({"title": "\x1b[31m\u202e"}, "400 Bad Request, \\x1b[31m\\u202e"),
    ({"type": "https://x\n"}, "400 Bad Request (https://x\\n)"),
    ({"type": 5}, "400 Bad Request (5)"),
    ({"title": "x" * 200_000}, f"400 Bad Request, {'x' * 300}… (200,000 characters)"),
    ({"type": "x" * 200_000}, f"400 Bad Request ({'x' * 300}… (200,000 characters))"),
]


@pytest.mark.parametrize(("body", "says"), BODIES, ids=range(len(BODIES)))
def test_problems(body: Any, says: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = response(400, "Bad Request", data)
    assert problem(answer) == says
    assert str(fatal_error(answer)).startswith(says)


def test_an_odd_reason() -> None:
    assert problem(response(500, "x\x1b[0m\nERROR forged")) == r"500 x\x1b[0m\nERROR forged"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (response(404, "Not Found"), "404 Not Found at api.croct.io:8443. Check `api_url`"),
        (response(401), "Check `api_key`"),
        (response(400), "Check `start_date`"),
        (response(418), "Please report this"),
        (
            response(302, Location="https://x.example/\n\x1b[31m"),
            r"api.croct.io:8443 points to https://x.example/\n\x1b[31m",
        ),
        (response(304), "points to nowhere"),
    ],
)
def test_advice(answer: requests.Response, says: str) -> None:
    assert says in str(fatal_error(answer))


@pytest.mark.parametrize("status", [400, 404])
def test_a_rejected_cursor_is_not_explained_by_a_setting(status: int) -> None:
    url = f"{URL}?pageSize=10&cursor=abc&start=5"
    text = str(fatal_error(response(status, url=url)))
    assert "start_date" not in text
    if status == 400:
        assert "continued from a cursor" in text


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("refused"),
        requests.ReadTimeout("x"),
        requests.ConnectTimeout("x"),
        requests.exceptions.SSLError("bad certificate"),
        requests.exceptions.ChunkedEncodingError("cut"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_error_names_the_host(error: requests.RequestException) -> None:
    assert "api.croct.io:8443" in describe(error, "api.croct.io:8443")
    error.request = requests.Request("GET", URL).prepare()
    assert "api.croct.io:8443" in describe(error)


def test_a_connection_error_is_cleaned() -> None:
    text = describe(requests.ConnectionError("\x1b[31m" + "x" * 10_000), "host")
    assert text.isprintable()
    assert len(text) < 500
