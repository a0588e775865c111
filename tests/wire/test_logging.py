"""What people read: whatever the API answers, and however logging is configured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dev.expected import STREAMS
from dev.running import Output, write
from dev.sandbox import Fault, Sandbox
from tests.support.catalogs import select_only
from tests.support.fixtures import Json, Refused, Start, Tap
from tests.support.runs import Pipeline, says

CONSOLE = {"console": {"class": "logging.StreamHandler"}}
ROOT = {"level": "INFO", "handlers": ["console"]}
SILENT: dict[str, Json] = {
    # no `disable_existing_loggers: false` in any of them: every logger is silenced
    "handlers": {"handlers": CONSOLE, "root": ROOT},
    "nothing": {},
    "critical": {"root": {"level": "CRITICAL"}},
    "null": {"handlers": {"console": {"class": "logging.NullHandler"}}, "root": ROOT},
    **{
        f"{level} handler": {
            "handlers": {"console": {**CONSOLE["console"], "level": level}},
            "root": ROOT,
        }
        for level in ("CRITICAL", "ERROR")
    },
}
MISTAKES: list[tuple[Json, str]] = [
    # settings, by the part of the tap that finds what is wrong with them; and the last line
    ({"page_size": 0}, "page_size: must be an integer"),
    ({"stream_maps": {"user": None}}, 'did you mean "users"?'),
    ({"api_key": "wrong"}, "`api_key`"),
]


@pytest.mark.parametrize("name", SILENT)
def test_the_explanation_comes_last(sandbox: Sandbox, tap: Tap, tmp_path: Path, name: str) -> None:
    file = {"SINGER_SDK_LOG_CONFIG": write(tmp_path / "log.json", {"version": 1, **SILENT[name]})}
    for settings, explanation in MISTAKES:
        output = tap(sandbox.config(**settings), code=1, **file)
        assert explanation in output.last_line
        heard = name in {"handlers", "nothing", "ERROR handler"}
        assert output.last_line.startswith("tap-croct: ") is not heard
        assert "Config validation failed" not in output.stderr
        assert "unhandled" not in output.stderr
    output = tap(sandbox.config(), state="{", code=1, **file)
    assert "is not valid JSON" in output.last_line
    output = tap(sandbox.config(), **file)
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
    assert "events: done" in output.stderr
    assert "DEBUG" not in output.stderr


def test_no_misleading_lines(sandbox: Sandbox, tap: Tap) -> None:
    """The SDK says these; where it no longer does, the filter can go."""
    output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL="DEBUG")
    assert "Skipping parse of env var settings" not in output.stderr
    assert "Selection metadata omitted" not in output.stderr
    output = tap(sandbox.config(api_key="wrong"), code=1)
    assert output.stderr.count("| ERROR ") == 1
    output = tap(sandbox.config(api_key="wrong"), code=1, TAP_CROCT_LOGLEVEL="DEBUG")
    assert "Traceback (most recent call last):\n" in output.stderr  # as Python writes it


# What the API says, cleaned

LONG = "x" * 200_000
CUT = f"{'x' * 300}… (200,000 characters)"
PROBLEMS: list[tuple[Any, str]] = [
    # the body of a response with 400 Bad Request, and what the line makes of it
    (b"[" * 100_000, ""),
    (b'{"title":' + b"9" * 5000 + b"}", ""),
    ({}, ""),
    ({"title": "Bad Request", "detail": "No"}, ", No"),
    ({"title": "No", "detail": "a\n b"}, ", No: a b"),
    ({"title": "No", "details": "a\n b", "type": "https://x"}, ", No: a b (https://x)"),
    ({"title": 5, "details": ["x"]}, ", 5: ['x']"),
    ({"title": {"a": "\x1b[31m"}}, r", {'a': '\x1b[31m'}"),
    ({"title": "ünïcode 日本 🎉"}, ", ünïcode 日本 🎉"),
    ({"title": "\u202e\u2066 \u200b\u200d\ufeff"}, r", \u202e\u2066 \u200b\u200d\ufeff"),
    ({"title": "a\u2028b\x85\nERROR | forged"}, ", a b ERROR | forged"),
    ({"title": "a\U000e0041"}, r", a\U000e0041"),
    ({"type": "https://x\nERROR | forged"}, r" (https://x\nERROR | forged)"),
    ({"title": LONG}, f", {CUT}"),
    ({"type": LONG}, f" ({CUT})"),
]


@pytest.mark.parametrize(("body", "says"), PROBLEMS, ids=range(len(PROBLEMS)))
def test_what_the_api_says(sandbox: Sandbox, tap: Tap, body: Any, says: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sandbox.faults = [Fault(status=400, times=-1, body=data)]
    output = tap(sandbox.config(max_retries=0), code=1)
    assert all(line.isprintable() for line in output.stderr.splitlines())
    assert len(output.last_line) < 2000
    retried = isinstance(body, bytes) or not {"title", "type"}.intersection(body)  # a gateway's
    follows = "" if retried else ". Check `start_date`"
    assert f"events: 400 Bad Request{says}{follows}" in output.last_line


HOSTILE = "\x1b[31m\u202e\u2028\x85\n2026-01-01 | ERROR | forged"


FORGING = [
    Fault(status=503, times=-1, body=json.dumps({"title": HOSTILE * 5000}).encode()),
    Fault(status=302, times=-1, headers={"Location": "https://x.example/\x9b" + "y" * 9999}),
    Fault(status=200, times=-1, body=json.dumps({"items": HOSTILE}).encode()),
    Fault(status=200, times=-1, body=json.dumps({HOSTILE: {HOSTILE: 5}}).encode()),
]


@pytest.mark.parametrize("fault", FORGING, ids=range(4))
def test_no_answer_forges_a_line(sandbox: Sandbox, tap: Tap, fault: Fault) -> None:
    sandbox.faults = [fault]
    output = tap(sandbox.config(max_retries=0), code=1)
    assert len(output.last_line) < 2000
    assert "events: " in output.last_line
    for line in output.stderr.splitlines():
        assert line.isprintable()
        assert not line.startswith("2026-01-01 | ERROR | forged")
    assert "Error:" not in output.last_line  # no bare exception of Python


# Progress


def lines(output: Output) -> list[str]:
    """Return what the tap says at INFO, without what stands before it."""
    return says([x for x in output.stderr.splitlines() if "| INFO     | tap-croct" in x])


# Where it resumes: a line for each stream, before the first request


def test_from_the_beginning_and_the_start_date(sandbox: Sandbox, tap: Tap, catalog: Json) -> None:
    select_only(catalog, "events", "users")
    for settings, start in (
        ({}, "the beginning"),
        ({"start_date": "2026-01-01T01:00:00+01:00"}, "2026-01-01T00:00:00.000Z (start_date)"),
    ):
        said = lines(tap(sandbox.config(**settings), catalog=catalog))
        wanted = [f"{stream}: starts from {start}" for stream in ("events", "users")]
        assert [line for line in said if "starts from" in line] == wanted


def test_from_the_cursor_and_by_time(pipeline: Pipeline) -> None:
    pipeline.run()
    seen = {s: pipeline.bookmark(s)["replication_key_value"] for s in STREAMS}
    del pipeline.bookmark("users")["cursor"]
    del pipeline.bookmark("sessions")["replication_key_value"]
    said = lines(pipeline.run(lookback_hours=0))
    assert f"events: resumes from the cursor (latest time seen: {seen['events']})" in said
    assert "sessions: resumes from the cursor" in said
    by_time = f"users: resumes by time, from {seen['users']} (0 h before the latest time seen)"
    assert by_time in said


# While it runs


@pytest.mark.slow
def test_a_long_export_tells_where_it_is(start: Start, tap: Tap) -> None:
    """About every ten seconds, a line."""
    sandbox = start(visits=60, latency=0.35)
    output = tap(sandbox.config(page_size=20))
    found = re.findall(
        r"events: ([\d,]+) records in (\d+) pages, ([\d,]+)/s, up to (\d{4}-\d\d-\d\dT\d\d:\d\dZ)\n",
        output.stderr,
    )
    assert 1 <= len(found) <= 4
    for records, pages, rate, reached in found:
        assert int(records.replace(",", "")) == int(pages) * 20
        assert 20 <= int(rate) <= 60
        assert reached.startswith("2026-01-0")


# At the end: a line for each stream, and one for the run


def test_the_summary(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [
        Fault(status=503, times=2, when=lambda request: len(sandbox.pages("events")) > 2)
    ]
    output = tap(sandbox.config(page_size=200))
    records = sum(output.counts().values())
    assert re.fullmatch(
        rf"Done: 3 streams, {records:,} records, {len(sandbox.requests)} requests, "
        r"2 retries, \d+\.\d s; nothing left",
        lines(output)[-1],
    )
    assert sandbox.pages("events")[-1].items == 0  # the empty page is counted, too
    pages = len(sandbox.pages("events")) - 2
    events = f"{len(sandbox.world.items('events')):,}"
    done = rf"events: done \(caught up\): {events} records in {pages} pages, [\d,]+/s, up to .*Z, in .* s"
    assert [line for line in lines(output) if re.fullmatch(done, line)]
