"""The time of the bookmark, what happens without a cursor, and the unit of the window."""

import time
from typing import Any

import pytest

from dev.expected import ORDERS, STREAMS, expected_records, moment
from dev.sandbox import Fault, Request, Sandbox
from dev.sandbox.world import BEGINNING, DAY
from tests.support.fixtures import Json, Start, Tap
from tests.support.runs import Pipeline, assert_all, serve

HOUR = 3_600_000
SECONDS_OR_NOT = ["milliseconds", "seconds"]
PROBES = {"1420070400000", "4102444800"}


def event(sandbox: Sandbox, name: str, ms: int) -> dict[str, Any]:
    return {**sandbox.world.items("events")[0], "id": name, "timestamp": ms}


def reject_all_cursors(sandbox: Sandbox) -> None:
    of_events = lambda r: r.stream == "events" and r.param("cursor") is not None  # noqa: E731
    sandbox.faults = [Fault(status=410, times=2, when=of_events)]


def reject_the_question(sandbox: Sandbox, times: int) -> None:
    sandbox.faults = [
        Fault(status=400, times=times, when=lambda r: r.param("start") == "1420070400000")
    ]


class TestAWrongClock:
    """One event is dated 30 days ahead."""

    @pytest.mark.parametrize("when", ["in the first run", "in the state of 0.1.0"])
    def test_nothing_is_skipped_later(self, start: Start, tap: Tap, when: str) -> None:
        sandbox = start(visits=20)
        pipeline = Pipeline(tap, sandbox)
        ahead = int(time.time() * 1000) + 30 * DAY
        if when == "in the first run":
            sandbox.world.logs["events"].extend([event(sandbox, "ahead", ahead)])
        pipeline.run()
        if when == "in the state of 0.1.0":
            pipeline.bookmark()["replication_key_value"] = moment(ahead)
            del pipeline.bookmark()["scope"]
        sandbox.world.visits(60)  # a gap of days, long before now
        pipeline.run(max_records=1, page_size=20)
        reject_all_cursors(sandbox)
        assert ". Resuming " in pipeline.run().stderr
        pipeline.assert_complete()

    def test_what_is_stored(self, sandbox: Sandbox, tap: Tap) -> None:
        latest = sandbox.world.items("events")[-1]["timestamp"]
        now = int(time.time() * 1000)
        for number, ms in enumerate((now + 60_000, now + 30 * DAY, 253_402_300_799_999, 10**17)):
            sandbox.world.logs["events"].extend([event(sandbox, str(number), ms)])
        state = tap(sandbox.config(page_size=100)).state
        assert state["bookmarks"]["events"]["replication_key_value"] == moment(latest)
        del sandbox.world.logs["events"].entries[:-1]  # nothing but the future
        state = tap(sandbox.config()).state
        assert state["bookmarks"]["events"].keys() == {"cursor", "scope"}

    def test_a_state_with_a_future_time_and_no_cursor(self, pipeline: Pipeline) -> None:
        future = {"replication_key_value": "2999-01-01T00:00:00Z"}
        pipeline.state = {"bookmarks": {"events": future}}
        output = pipeline.run()
        assert_all(output, pipeline.sandbox, "events")
        assert "has a time in the future (2999-01-01T00:00:00.000Z)" in output.warnings[0]


def test_the_time_of_a_state_without_a_cursor(start: Start, tap: Tap) -> None:
    """As of version 0.1.0: it stays where it is, as long as the API gives no cursor."""
    sandbox = start(visits=12, end="null")
    pipeline = Pipeline(tap, sandbox)
    seen = sandbox.world.items("events")[-1]["timestamp"]
    given = {"replication_key": "timestamp", "replication_key_value": moment(seen)}
    pipeline.state = {"bookmarks": {"events": given}}
    for _ in range(2):
        pipeline.run(time_unit="milliseconds", lookback_hours=1)
        sandbox.world.visits(1)
        assert sandbox.pages("events")[0].param("start") == str(seen - HOUR)
        assert pipeline.bookmark() == given


class TestUnit:
    """The unit of the window is found out, once per stream and only if there is a window."""

    START = moment(BEGINNING + 12 * HOUR + 250)
    END = moment(BEGINNING + 20 * HOUR + 750)

    @pytest.mark.parametrize("unit", SECONDS_OR_NOT)
    @pytest.mark.parametrize("setting", ["auto", "given"])
    def test_the_window_is_exact(self, start: Start, tap: Tap, unit: str, setting: str) -> None:
        sandbox = start(time_unit=unit)
        # on and around the bounds; seconds can't tell those of the same second apart
        for hour in (12, 20):
            for step in (0, 249, 250, 251, 749, 750, 751, 999, 1000):
                odd = event(sandbox, f"{hour} {step}", BEGINNING + hour * HOUR + step)
                sandbox.world.logs["events"].extend([odd])
        time_unit = unit if setting == "given" else "auto"
        output = tap(sandbox.config(start_date=self.START, end_date=self.END, time_unit=time_unit))
        first, last = self.START, self.END
        if unit == "seconds":  # rounded outward
            first, last = "2026-01-01T12:00:00.000Z", "2026-01-01T20:00:01.000Z"
        for stream in STREAMS:
            wanted = [
                record
                for record in expected_records(sandbox.world, stream)
                if first <= record[ORDERS[stream]] < last
            ]
            assert output.records(stream) == wanted
            probes = [
                r for r in sandbox.pages(stream) if PROBES & {r.param("start"), r.param("end")}
            ]
            assert len(probes) == (0 if setting == "given" else 1 if unit == "milliseconds" else 3)
        assert output.counts()["events"] > 8

    def test_no_window_no_question(self, sandbox: Sandbox, tap: Tap) -> None:
        tap(sandbox.config())
        assert {request.param("pageSize") for request in sandbox.requests} == {"1000"}

    @pytest.mark.parametrize("unit", SECONDS_OR_NOT)
    @pytest.mark.parametrize("times", [1, -1])
    def test_a_question_that_is_rejected(
        self, start: Start, tap: Tap, unit: str, times: int
    ) -> None:
        """Once is an accident; always, as an API may that keeps records for some years only.

        Taken for an answer, it could make the unit a wrong one, and the export empty.
        """
        sandbox = start(time_unit=unit)
        reject_the_question(sandbox, times)
        output = tap(sandbox.config(start_date="2026-01-01", end_date="2026-03-01"))
        assert_all(output, sandbox)

    def test_records_without_a_time_show_it(self, pipeline: Pipeline) -> None:
        page = {"items": [{"id": "1", "payload": {}}], "nextCursor": None}
        serve(pipeline.sandbox, page, page, page)
        assert pipeline.run(start_date="2020-01-01").counts()["events"] == 1

    @pytest.mark.parametrize("unit", SECONDS_OR_NOT)
    def test_what_shows_nothing(self, start: Start, tap: Tap, unit: str) -> None:
        """A time in microseconds, and one of a clock that starts in 1970."""
        sandbox = start(time_unit=unit)
        odd = [event(sandbox, str(ms), ms) for ms in (5, BEGINNING * 1000)]
        sandbox.world.logs["events"].entries[:0] = odd
        config = sandbox.config(start_date="2020-01-01")
        assert tap(config).counts()["events"] == len(sandbox.world.items("events")) - 1
        sandbox.world.logs["events"].entries[2:] = []
        assert "no record shows in which unit the API counts" in tap(config).stderr

    @pytest.mark.parametrize("timestamp", [None, BEGINNING // 1000, BEGINNING * 1000])
    def test_what_proves_nothing(self, pipeline: Pipeline, timestamp: int | None) -> None:
        """Such records come back under a wrong one, too: the bookmark must not pass the others."""
        end: Json = {"items": [], "nextCursor": "end"}
        page = {**end, "items": [{"id": "1", "timestamp": timestamp}]}
        null, later = {"nextCursor": None}, {"nextCursor": "later"}
        for unit, pages, cursor in (
            ("auto", [{**end, **null}, {**page, **null}, page, end], None),
            ("seconds", [page, end], None),
            ("milliseconds", [page, end], "end"),
            ("milliseconds", [{**page, **later}, {**end, **later}], "later"),
        ):
            serve(pipeline.sandbox, *pages)
            pipeline.run(time_unit=unit, end_date="2026-12-31")
            assert pipeline.bookmark().get("cursor") == cursor

    @pytest.mark.parametrize("unit", SECONDS_OR_NOT)
    @pytest.mark.parametrize("after", [1, 2])
    def test_the_first_record_of_all_arrives_meanwhile(
        self, start: Start, tap: Tap, unit: str, after: int
    ) -> None:
        """A wrong unit would end the export before it begins."""
        sandbox = start(visits=0, time_unit=unit)
        pipeline = Pipeline(tap, sandbox)

        def arrive(request: Request) -> bool:
            if request.stream == "events" and len(sandbox.pages("events")) == after + 1:
                sandbox.world.visits(3)
            return False

        sandbox.faults = [Fault(when=arrive)]
        for _ in range(2):
            pipeline.run(start_date="2026-01-01", end_date="2026-12-01")
        pipeline.assert_complete()
        assert len(pipeline.records["events"]) > 10

    @pytest.mark.parametrize("times", [0, -1])
    def test_nothing_to_export_under_either_reading(
        self, start: Start, tap: Tap, times: int
    ) -> None:
        """Also where the API rejects a time so early."""
        sandbox = start(visits=0)
        if times:
            reject_the_question(sandbox, times)
        output = tap(sandbox.config(start_date="2026-01-01"))
        assert output.stderr.count("nothing to export yet") == 3
        assert output.state["bookmarks"] == {stream: {} for stream in STREAMS}

    @pytest.mark.parametrize("bounds", [{"end_date": "2026-12-31"}, {"start_date": "2020-01-01"}])
    @pytest.mark.parametrize("right", SECONDS_OR_NOT)
    @pytest.mark.parametrize("before", ["nothing", "a run", "a run, and a rejection"])
    def test_a_wrong_one_that_is_corrected(
        self, start: Start, tap: Tap, right: str, bounds: Json, before: str
    ) -> None:
        """Neither a cursor nor records of before show that it is right."""
        (wrong,) = {*SECONDS_OR_NOT} - {right}
        pipeline = Pipeline(tap, start(visits=12, time_unit=right))
        if before != "nothing":
            pipeline.run(page_size=50, max_records=50)
        if before == "a run, and a rejection":
            reject_all_cursors(pipeline.sandbox)
        output = pipeline.run(time_unit=wrong, **bounds)
        if before != "a run" and not output.records("events"):
            assert f"the API counts in {right}: if this persists" in output.stderr
        pipeline.sandbox.faults = []
        pipeline.run(time_unit=right if before == "nothing" else "auto", **bounds)
        pipeline.assert_complete()
        assert pipeline.records["events"]
