"""What the log tells: where a run resumes, how far it is, and what it came to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dev.expected import STREAMS
from dev.sandbox import Fault
from tests.support.catalogs import select_only
from tests.support.runs import Pipeline, fail_from, says

if TYPE_CHECKING:
    from dev.running import Output
    from dev.sandbox import Sandbox
    from tests.support.fixtures import Json, Start, Tap


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


def test_what_is_left(sandbox: Sandbox, tap: Tap) -> None:
    said = lines(tap(sandbox.config(page_size=1, max_records=1)))
    assert any("events: done (max_records): 1 record in 1 page, " in line for line in said)
    assert said[-1].endswith(
        "; left for the next run: events (max_records), sessions (max_records), users (max_records)"
    )


def test_questions_are_counted(start: Start, tap: Tap) -> None:
    said = lines(tap(start(visits=0).config(start_date="2026-01-01")))
    assert said[-1].startswith("Done: 3 streams, 0 records, 12 requests, 0 retries, ")


def test_an_error(sandbox: Sandbox, tap: Tap) -> None:
    fail_from(sandbox, 3)
    said = lines(tap(sandbox.config(page_size=100)))
    stopped = "events: stopped: 200 records in 2 pages, "
    assert any(line.startswith(stopped) for line in said)
    assert not [line for line in said if line.startswith("Done")]
