"""What the log tells: where a run resumes, how far it is, and what it came to."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from dev.expected import STREAMS, moment
from dev.running import launch
from dev.sandbox import Fault
from dev.sandbox.world import BEGINNING, DAY
from tap_croct.progress import Progress, _duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]


def lines(output: Output) -> list[str]:
    """Return what the tap says at INFO, without what stands before it."""
    return [
        line.split(" | ", 3)[-1].strip()
        for line in output.stderr.splitlines()
        if "| INFO     | tap-croct" in line
    ]


class TestWhereItResumes:
    """A line for each stream, before the first request."""

    def test_from_the_beginning(self, sandbox: Sandbox, tap: Tap) -> None:
        sandbox.faults = [Fault(status=403)]
        output = tap(sandbox.config())
        assert len(sandbox.requests) == 1
        for stream in STREAMS:
            assert f"{stream}: starts from the beginning" in lines(output)

    def test_from_the_start_date(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(sandbox.config(start_date="2026-01-01T01:00:00+01:00"))
        for stream in STREAMS:
            assert f"{stream}: starts from 2026-01-01T00:00:00.000Z (start_date)" in lines(output)

    def test_from_the_cursor_and_by_time(self, sandbox: Sandbox, tap: Tap) -> None:
        state = tap(sandbox.config()).state
        seen = {s: state["bookmarks"][s]["replication_key_value"] for s in STREAMS}
        del state["bookmarks"]["users"]["cursor"]
        del state["bookmarks"]["sessions"]["replication_key_value"]
        sandbox.faults = [Fault(status=403)]
        said = lines(tap(sandbox.config(lookback_hours=0), state=state))
        assert f"events: resumes from the cursor (latest time seen: {seen['events']})" in said
        assert "sessions: resumes from the cursor" in said
        assert (
            f"users: resumes by time, from {seen['users']} (0 h before the latest time seen)"
            in said
        )

    def test_only_what_is_selected(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        from tests.support.catalogs import catalog_of, select

        catalog = catalog_of(tmp_path)
        for stream in STREAMS:
            select(catalog, stream, selected=stream == "users")
        output = tap(sandbox.config(), catalog=catalog)
        assert [line for line in lines(output) if "starts from" in line] == [
            "users: starts from the beginning"
        ]


@pytest.mark.slow
class TestWhileItRuns:
    """A line every ten seconds: here, more often."""

    @pytest.fixture(autouse=True)
    def _often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Progress, "interval", 0.2)

    def test_waiting_for_the_api(self, sandbox: Sandbox, tap: Tap) -> None:
        sandbox.faults = [
            Fault("hang", seconds=1.1, when=lambda request: len(sandbox.pages("events")) == 3)
        ]
        said = lines(tap(sandbox.config(page_size=100, max_retries=1)))
        found = [
            match
            for line in said
            if (
                match := re.fullmatch(
                    r"events: waiting for the API for (\d) s; 200 records in 2 pages, up to .*Z",
                    line,
                )
            )
        ]
        assert 3 <= len(found) <= 14
        assert found[-1][1] in {"1", "2"}

    def test_before_the_first_page(self, sandbox: Sandbox, tap: Tap) -> None:
        sandbox.faults = [Fault(status=503, headers={"Retry-After": "1"})]
        said = lines(tap(sandbox.config()))
        assert any(
            re.fullmatch(r"events: waiting for the API for \d s; 0 records in 0 pages", line)
            for line in said
        )

    def test_how_much_is_left(self, start: Start, tap: Tap) -> None:
        sandbox = start(visits=60, latency=0.1)
        config = sandbox.config(
            page_size=100, start_date=moment(BEGINNING), end_date=moment(BEGINNING + 2 * DAY)
        )
        said = [x for x in lines(tap(config)) if re.match(r"events: .* left$", x)]
        events = [int(re.findall(r"up to .*Z, (\d+)%, \d+ (?:s|min) left", x)[0]) for x in said]
        assert len(events) >= 3
        assert events[0] < 50 < events[-1] <= 100

    @pytest.mark.parametrize("bound", ["start_date", "end_date"])
    def test_with_one_end_nobody_knows(self, start: Start, tap: Tap, bound: str) -> None:
        sandbox = start(visits=20, latency=0.1)
        said = lines(tap(sandbox.config(page_size=100, **{bound: moment(BEGINNING + DAY // 3)})))
        assert any("/s, up to" in line for line in said if "done" not in line)
        assert not [line for line in said if "%, " in line]


class TestAtTheEnd:
    """A line for each stream, and one for the run."""

    def test_the_summary(self, sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("random.uniform", lambda *_: 0.01)
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
        pages = len(sandbox.pages("events")) - 2
        events = len(sandbox.world.items("events"))
        done = f"events: done (caught up): {events} records in {pages} pages, "
        assert any(done in line for line in lines(output))
        assert sandbox.pages("events")[-1].items == 0  # the empty page is counted, too

    def test_one_of_each(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(sandbox.config(page_size=1, max_records=1))
        assert any("events: done (max_records): 1 record in 1 page, " in x for x in lines(output))

    def test_what_is_left(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(sandbox.config(page_size=25, max_records=25))
        assert lines(output)[-1].endswith("; left for the next run (max_records): events, sessions")

    def test_the_questions_are_counted(self, start: Start, tap: Tap) -> None:
        sandbox = start(visits=0)
        said = lines(tap(sandbox.config(start_date="2026-01-01")))
        assert re.fullmatch(
            r"Done: 3 streams, 0 records, 6 requests, 0 retries, \d+\.\d s; nothing left", said[-1]
        )

    def test_an_error(self, sandbox: Sandbox, tap: Tap) -> None:
        sandbox.faults = [
            Fault(status=403, times=-1, when=lambda request: len(sandbox.pages("events")) > 2)
        ]
        output = tap(sandbox.config(page_size=100))
        assert any(
            line.startswith("events: stopped: 200 records in 2 pages, up to 2026-01-01T")
            for line in lines(output)
        )
        assert not [line for line in lines(output) if line.startswith("Done")]


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("busy", ["waiting", "writing"])
def test_a_signal(start: Start, tmp_path: Path, signum: int, busy: str) -> None:
    sandbox = start(visits=100)
    if busy == "waiting":
        sandbox.faults = [
            Fault("hang", seconds=9, when=lambda request: len(sandbox.pages("events")) > 2)
        ]
    process = launch(tmp_path, sandbox.config(page_size=10 if busy == "waiting" else 300))
    while len(sandbox.pages("events")) < (3 if busy == "waiting" else 2):
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signum)
    _, err = process.communicate(timeout=20)
    (line,) = [x for x in err.decode().splitlines() if "events: stopped: " in x]
    found = re.search(
        r"stopped: (\d+) records in (\d+) pages?(, up to 2026-01-0\dT\d\d:\d\dZ|$)", line
    )
    assert found
    assert int(found[1]) == int(found[2]) * (10 if busy == "waiting" else 300)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (29, "29 s"), (40, "1 min"), (3570, "1 h 0 min"), (7_320, "2 h 2 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert _duration(seconds) == text
