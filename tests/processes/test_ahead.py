"""The page after is fetched while this one is written, one page ahead and never more."""

import time
from pathlib import Path

import pytest

from dev.running import launch
from dev.sandbox import Sandbox
from tests.support.fixtures import Start
from tests.support.slow_reader import lines_of

PAGE = 50
EVENT = b'{"type":"RECORD","stream":"events"'


def large_events(start: Start, size: int, **switches: float) -> Sandbox:
    """Start an API with events of which a pipe does not take a page at once, and nothing else."""
    sandbox = start(visits=50, **switches)
    for event in sandbox.world.items("events"):
        event["payload"]["title"] = "x" * size
    for stream in ("sessions", "users"):
        sandbox.world.logs[stream].entries.clear()
    return sandbox


@pytest.mark.slow
def test_fetching_and_writing_overlap(start: Start, tmp_path: Path) -> None:
    """A ratio, not a time: both waits are far longer than the work.

    One run of five is enough: other work of the machine can only make a run slower.
    """
    pages, wait = 10, 0.3
    sandbox = large_events(start, 8000, latency=wait)
    del sandbox.world.logs["events"].entries[pages * PAGE :]
    one_after_the_other = pages * (wait + wait)
    seconds = 0.0
    for _ in range(5):
        sandbox.requests.clear()
        with launch(tmp_path, sandbox.config(page_size=PAGE)) as process:
            lines = lines_of(process, pause=wait / PAGE)
            records = [time.monotonic() for line in lines if line.startswith(EVENT)]
        assert len(records) == pages * PAGE
        seconds = records[-1] - sandbox.pages("events")[0].time
        if seconds <= 0.6 * one_after_the_other + wait + wait:
            return
    pytest.fail(f"{seconds:.2f} s, {one_after_the_other:.2f} s one after the other")


@pytest.mark.slow
def test_at_most_one_page_ahead(start: Start, tmp_path: Path) -> None:
    sandbox = large_events(start, 20_000)
    in_the_pipe = 4  # lines; with them, the last lines of a page
    seen = 0
    with launch(tmp_path, sandbox.config(page_size=PAGE)) as process:
        for line in lines_of(process, pause=0.02, every=10):
            if line.startswith(EVENT):
                page = (seen + in_the_pipe) // PAGE + 1
                assert len(sandbox.pages("events")) <= page + 1
                seen += 1
    assert seen == len(sandbox.world.items("events"))
