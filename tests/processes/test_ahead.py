"""The page after is fetched while this one is written; the log tells how far an export is."""

from __future__ import annotations

import io
import re
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from dev.expected import expected_records
from dev.running import TAP, clean_environment, launch
from dev.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]

PAGE = 50


def read_slowly(
    process: subprocess.Popen[bytes], seconds_a_page: float
) -> list[tuple[float, bytes]]:
    """Read the lines, with a pause after each so that a page takes some time."""
    lines = []
    reader = io.BufferedReader(cast("io.RawIOBase", process.stdout), 8192)
    for line in reader:
        lines.append((time.monotonic(), line))
        if line.startswith(b'{"type":"RECORD"'):
            time.sleep(seconds_a_page / PAGE)
    assert process.wait(timeout=30) == 0
    reader.close()
    process.stderr.close()  # type: ignore[union-attr]
    return lines


@pytest.mark.slow
def test_fetching_and_writing_overlap(start: Start, tmp_path: Path) -> None:
    """A ratio, not a time: both waits are far longer than the work.

    The records are large, so that the pipe does not take a page at once. One run of five is
    enough: other work of the machine can only make a run slower.
    """
    pages, wait = 10, 0.3
    sandbox = start(visits=50, latency=wait)
    events = sandbox.world.logs["events"].entries
    del events[pages * PAGE :]
    for event in events:
        assert event is not None
        event["payload"]["title"] = "x" * 8000
    for stream in ("sessions", "users"):
        sandbox.world.logs[stream].entries.clear()
    one_after_the_other = pages * (wait + wait)
    seconds = 0.0
    for _ in range(5):
        sandbox.requests.clear()
        lines = read_slowly(launch(tmp_path, sandbox.config(page_size=PAGE)), wait)
        records = [at for at, line in lines if line.startswith(b'{"type":"RECORD"')]
        assert len(records) == pages * PAGE
        seconds = records[-1] - sandbox.pages("events")[0].time
        if seconds <= 0.6 * one_after_the_other + wait + wait:
            return
    pytest.fail(f"{seconds:.2f} s, {one_after_the_other:.2f} s one after the other")


@pytest.mark.slow
def test_at_most_one_page_ahead(start: Start, tmp_path: Path) -> None:
    sandbox = start(visits=50)
    for event in sandbox.world.logs["events"].entries:
        assert event is not None
        event["payload"]["title"] = "x" * 20_000  # a page does not fit into the pipe
    process = launch(tmp_path, sandbox.config(page_size=PAGE))
    seen = 0
    reader = io.BufferedReader(cast("io.RawIOBase", process.stdout), 8192)
    for line in reader:
        if line.startswith(b'{"type":"RECORD","stream":"events"'):
            if seen % 10 == 0:
                time.sleep(0.02)
            # on page n (from 1), n + 1 pages have been asked for at most; one more may be
            # while the last lines of a page are still in the pipe
            in_the_pipe = 4
            page = (seen + in_the_pipe) // PAGE + 1
            assert len(sandbox.pages("events")) <= page + 1
            seen += 1
    assert process.wait(timeout=30) == 0
    reader.close()
    process.stderr.close()  # type: ignore[union-attr]
    assert seen == len(sandbox.world.items("events"))


def test_max_records_is_not_overrun(sandbox: Sandbox, tap: Tap) -> None:
    tap(sandbox.config(page_size=10, max_records=25))
    assert [len(sandbox.pages(stream)) for stream in ("events", "sessions", "users")] == [3, 3, 3]


def test_an_error_ahead_waits_for_its_turn(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [Fault(status=401, when=lambda request: len(sandbox.pages("events")) == 2)]
    output = tap(sandbox.config(page_size=100))
    assert output.code == 1
    assert output.records("events") == expected_records(sandbox.world, "events")[:100]
    assert output.state["bookmarks"]["events"]["cursor"]


@pytest.mark.slow
def test_a_long_export_tells_where_it_is(start: Start, tap: Tap) -> None:
    """About every ten seconds, a line."""
    sandbox = start(visits=60, latency=0.35)
    config: dict[str, Any] = sandbox.config(page_size=20)
    output = tap(config)
    lines = re.findall(
        r"events: ([\d,]+) records in (\d+) pages, ([\d,]+)/s, up to (\d{4}-\d\d-\d\dT\d\d:\d\dZ)\n",
        output.stderr,
    )
    assert 1 <= len(lines) <= 4
    for records, pages, rate, reached in lines:
        assert int(records.replace(",", "")) == int(pages) * 20
        assert 20 <= int(rate) <= 60
        assert reached.startswith("2026-01-0")
    assert re.search(r"events: done \(caught up\): [\d,]+ records in \d+ pages, ", output.stderr)


@pytest.mark.slow
def test_discovery_is_quick(tmp_path: Path) -> None:
    """Against the import of the SDK, whatever the machine: CPU time, the best of some runs."""

    def best(command: list[str]) -> float:
        times = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                command, check=True, capture_output=True, cwd=tmp_path, env=clean_environment()
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times)

    assert best([*TAP, "--discover"]) <= 1.5 * best([sys.executable, "-c", "import singer_sdk"])
