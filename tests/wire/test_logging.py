"""What people read: whatever the API answers, and however logging is configured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.running import write
from dev.sandbox import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from dev.sandbox import Sandbox
    from tests.support.fixtures import Refused, Tap

CONSOLE = {"console": {"class": "logging.StreamHandler"}}
ROOT = {"level": "INFO", "handlers": ["console"]}
SILENT: dict[str, dict[str, Any]] = {
    # no `disable_existing_loggers: false` in any of them: every logger is silenced
    "handlers": {"handlers": CONSOLE, "root": ROOT},
    "nothing": {},
    "critical": {"root": {"level": "CRITICAL"}},
    "null": {"handlers": {"console": {"class": "logging.NullHandler"}}, "root": ROOT},
    "critical handler": {
        "handlers": {"console": {**CONSOLE["console"], "level": "CRITICAL"}},
        "root": ROOT,
    },
}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    # by the part of the tap that finds it: options of a run, and the last line
    "settings": ({"page_size": 0}, "page_size: must be an integer"),
    "stream maps": ({"stream_maps": {"user": None}}, 'did you mean "users"?'),
    "API": ({"api_key": "wrong"}, "`api_key`"),
}


@pytest.mark.parametrize("name", SILENT)
def test_the_explanation_comes_last(sandbox: Sandbox, tap: Tap, tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "logging.json", {"version": 1, **SILENT[name]})
    for settings, says in MISTAKES.values():
        output = tap(sandbox.config(**settings), SINGER_SDK_LOG_CONFIG=file)
        assert output.code == 1
        assert says in output.last_line
        assert "Config validation failed" not in output.stderr
        assert "unhandled" not in output.stderr
    output = tap(sandbox.config(), state="{", SINGER_SDK_LOG_CONFIG=file)
    assert "is not valid JSON" in output.last_line
    output = tap(sandbox.config(), SINGER_SDK_LOG_CONFIG=file)
    assert output.code == 0
    assert ("events: done" in output.stderr) == (name in {"handlers", "nothing"})


@pytest.mark.parametrize("content", ["version: [", "version: 5", "5"])
def test_a_broken_logging_configuration(refused: Refused, tmp_path: Path, content: str) -> None:
    line = refused(SINGER_SDK_LOG_CONFIG=write(tmp_path / "logging.json", content))
    assert "The log cannot be configured" in line
    assert "logging.json" in line


@pytest.mark.parametrize("name", ["LOGLEVEL", "TAP_CROCT_LOGLEVEL"])
def test_a_wrong_level(refused: Refused, name: str) -> None:
    says = f"{name} must be DEBUG, INFO, WARNING, ERROR or CRITICAL"
    assert says in refused(**{name: "loud"})


@pytest.mark.parametrize("value", ["", " "])
def test_empty_variables_count_as_not_set(sandbox: Sandbox, tap: Tap, value: str) -> None:
    levels = {"LOGLEVEL": value, "TAP_CROCT_LOGLEVEL": value}
    output = tap(sandbox.config(), SINGER_SDK_LOG_CONFIG="", REQUESTS_CA_BUNDLE="", **levels)
    assert output.code == 0, output.stderr
    assert "events: done" in output.stderr
    assert "DEBUG" not in output.stderr


def test_no_misleading_lines(sandbox: Sandbox, tap: Tap) -> None:
    """The SDK says these; where it no longer does, the filter can go."""
    output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL="DEBUG")
    assert "Skipping parse of env var settings" not in output.stderr
    assert "Selection metadata omitted" not in output.stderr
    output = tap(sandbox.config(api_key="wrong"))
    assert output.stderr.count("| ERROR ") == 1
    output = tap(sandbox.config(api_key="wrong"), TAP_CROCT_LOGLEVEL="DEBUG")
    assert "Traceback (most recent call last):\n" in output.stderr  # as Python writes it


# What the API says, cleaned

LONG = "x" * 200_000
CUT = f"{'x' * 300}… (200,000 characters)"
PROBLEMS: list[tuple[Any, str]] = [
    # the body of a response with 400 Bad Request, and what the line makes of it
    (b"", ""),
    (b"<html>", ""),
    (b"\xff\xfe", ""),
    (b"[" * 100_000, ""),
    (b'{"title":' * 100_000, ""),
    (b'{"title":' + b"9" * 5000 + b"}", ""),
    ([1], ""),
    ({}, ""),
    ({"title": "No"}, ", No"),
    ({"title": "Bad Request"}, ""),
    ({"title": "Bad Request", "detail": "No"}, ", No"),
    ({"title": "No", "detail": "a\n b"}, ", No: a b"),
    ({"title": "No", "details": "a\n b", "type": "https://x"}, ", No: a b (https://x)"),
    ({"title": 5, "details": ["x"]}, ", 5: ['x']"),
    ({"title": {"a": "\x1b[31m"}}, r", {'a': '\x1b[31m'}"),
    ({"title": "ünïcode 日本 🎉"}, ", ünïcode 日本 🎉"),
    ({"title": "\x1b[31mred \x9b\0"}, r", \x1b[31mred \x9b\x00"),
    ({"title": "\u202e\u2066 \u200b\u200d\ufeff"}, r", \u202e\u2066 \u200b\u200d\ufeff"),
    ({"title": "a\u2028b\x85\nERROR | forged"}, ", a b ERROR | forged"),
    ({"title": "a\U000e0041"}, r", a\U000e0041"),
    ({"type": "https://x\nERROR | forged"}, r" (https://x\nERROR | forged)"),
    ({"type": 5}, " (5)"),
    ({"title": LONG}, f", {CUT}"),
    ({"type": LONG}, f" ({CUT})"),
]


@pytest.mark.parametrize(("body", "says"), PROBLEMS, ids=range(len(PROBLEMS)))
def test_what_the_api_says(sandbox: Sandbox, tap: Tap, body: Any, says: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sandbox.faults = [Fault(status=400, times=-1, body=data)]
    output = tap(sandbox.config(max_retries=0))
    assert output.code == 1
    assert all(line.isprintable() for line in output.stderr.splitlines())
    assert len(output.last_line) < 2000
    retried = isinstance(body, bytes) or not {"title", "type"}.intersection(body)  # a gateway's
    follows = "" if retried else ". Check `start_date`"
    assert f"events: 400 Bad Request{says}{follows}" in output.last_line


HOSTILE = "\x1b[31m\u202e\u2028\x85\n2026-01-01 | ERROR | forged"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, times=-1, body=json.dumps({"title": HOSTILE * 5000}).encode()),
        Fault(status=302, times=-1, headers={"Location": "https://x.example/\x9b" + "y" * 9999}),
        Fault(status=200, times=-1, body=json.dumps({"items": HOSTILE}).encode()),
        Fault(status=200, times=-1, body=json.dumps({HOSTILE: {HOSTILE: 5}}).encode()),
    ],
    ids=range(4),
)
def test_no_answer_forges_a_line(sandbox: Sandbox, tap: Tap, fault: Fault) -> None:
    sandbox.faults = [fault]
    output = tap(sandbox.config(max_retries=0))
    assert output.code == 1
    assert len(output.last_line) < 2000
    assert "events: " in output.last_line
    for line in output.stderr.splitlines():
        assert line.isprintable()
        assert not line.startswith("2026-01-01 | ERROR | forged")
    assert "Error:" not in output.last_line  # no bare exception of Python


@pytest.mark.parametrize("kind", ["reset", "truncate", "hang"])
def test_a_connection_that_breaks_names_its_host(sandbox: Sandbox, tap: Tap, kind: str) -> None:
    sandbox.faults = [Fault(kind, seconds=1, times=-1)]
    output = tap(sandbox.config(max_retries=1, request_timeout=0.5))
    host = sandbox.url.split("/")[2]
    (retry,) = [line for line in output.warnings if "retry 1 of 1" in line]
    assert host in retry
    assert host in output.last_line
