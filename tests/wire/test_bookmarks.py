"""A run resumes where the last one stopped; an export ends in each of three ways."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import (
    KEYS,
    ORDERS,
    STREAMS,
    by_key,
    count_by_key,
    expected,
    expected_records,
    moment,
)
from dev.running import launch
from dev.sandbox import Fault
from dev.sandbox.world import BEGINNING, DAY
from tests.support.catalogs import catalog_of, selected_catalog
from tests.support.slow_reader import lines_of

if TYPE_CHECKING:
    from pathlib import Path

    from dev.sandbox import Request, Sandbox
    from tests.support.fixtures import Start, Tap

ENDS = ["cursor", "null", "empty"]


def latest(sandbox: Sandbox, stream: str) -> str:
    return moment(max(int(item[ORDERS[stream]]) for item in sandbox.world.items(stream)))


@pytest.mark.parametrize("end", ENDS)
def test_a_second_run_brings_what_is_new(start: Start, tap: Tap, end: str) -> None:
    sandbox = start(end=end)
    config = sandbox.config(page_size=100)
    first = tap(config)
    for stream in STREAMS:
        assert first.records(stream) == expected_records(sandbox.world, stream)
        bookmark = first.state["bookmarks"][stream]
        if not bookmark:  # the API gave no cursor: it all fits a page, which is read again
            assert end != "cursor"
            assert len(sandbox.pages(stream)) == 1
            continue
        assert bookmark.keys() == {"cursor", "replication_key", "replication_key_value", "scope"}
        assert bookmark["replication_key"] == ORDERS[stream]
        assert bookmark["replication_key_value"] == latest(sandbox, stream)

    before = {stream: sandbox.world.items(stream) for stream in STREAMS}
    sandbox.world.visits(10)
    sandbox.world.late_events(5)
    sandbox.world.change_users(3)
    sandbox.requests.clear()
    second = tap(config, state=first.state)
    for stream in STREAMS:
        cursor = first.state["bookmarks"][stream].get("cursor")
        assert sandbox.pages(stream)[0].param("cursor") == cursor
        records = by_key(stream, first.records(stream) + second.records(stream))
        assert records == by_key(stream, expected_records(sandbox.world, stream))
        unchanged = {i[KEYS[stream]] for i in before[stream] if i in sandbox.world.items(stream)}
        repeated = unchanged & {record[KEYS[stream]] for record in second.records(stream)}
        # Without a cursor at the end, the last page is read again.
        assert len(repeated) <= (0 if end == "cursor" else 100)


def test_nothing_before_the_cursor_is_asked_for(sandbox: Sandbox, tap: Tap) -> None:
    state = tap(sandbox.config()).state
    sandbox.requests.clear()
    again = tap(sandbox.config(), state=state)
    assert again.counts() == dict.fromkeys(STREAMS, 0)
    assert [request.param("cursor") for request in sandbox.requests] == [
        state["bookmarks"][stream]["cursor"] for stream in STREAMS
    ]
    assert again.state == state


def test_what_is_sent_with_every_page(sandbox: Sandbox, tap: Tap) -> None:
    config = sandbox.config(
        page_size=3,
        start_date="2026-01-01T00:00:00.500Z",
        end_date="2026-01-01T12:00:00+01:00",
        time_unit="milliseconds",
        event_types=["tabOpened", "pageOpened"],
        user_agent="night shift",
    )
    output = tap({**config, "api_url": config["api_url"] + "/"})
    assert output.code == 0, output.stderr
    assert len(sandbox.pages("events")) > 3
    for request in sandbox.requests:
        assert request.param("pageSize") == "3"
        assert request.param("start") == str(BEGINNING + 500)
        assert request.param("end") == str(BEGINNING + 11 * 3_600_000)
        types = ["tabOpened", "pageOpened"] if request.stream == "events" else None
        assert request.params.get("events") == types
        assert request.headers["x-api-key"] == sandbox.switches.api_key
        assert request.headers["accept"] == "application/json"
        assert request.headers["user-agent"] == "night shift"
    assert {event["eventType"] for event in output.records("events")} == {"tabOpened", "pageOpened"}
    assert "done (end_date)" in output.stderr
    tap(sandbox.config())
    assert sandbox.requests[-1].headers["user-agent"].startswith("tap-croct/0.")


class TestEnds:
    """Where an export ends, and where not."""

    @staticmethod
    def serve(sandbox: Sandbox, pages: list[tuple[int, Any]]) -> None:
        """Answer requests for events with pages: the number of items, and the `nextCursor`."""
        items = iter(sandbox.world.items("events"))
        sandbox.faults = []
        for count, cursor in pages:
            page: dict[str, Any] = {"items": [next(items) for _ in range(count)]}
            if cursor != "missing":
                page["nextCursor"] = cursor
            body = json.dumps(page).encode()
            sandbox.faults.append(Fault(status=200, body=body, when=lambda r: r.stream == "events"))

    @pytest.mark.parametrize(
        ("pages", "cursor"),
        [
            ([(5, "a"), (1, "b"), (4, None)], "b"),  # a short page is no end
            ([(1, "a"), (0, "b"), (0, "b")], "b"),
            ([(1, "a"), (0, "a")], "a"),
            ([(1, "a"), (0, None)], "a"),
            ([(1, None)], None),
            ([(1, "")], None),
            ([(1, "missing")], None),
        ],
    )
    def test_where(
        self, sandbox: Sandbox, tap: Tap, pages: list[tuple[int, Any]], cursor: str | None
    ) -> None:
        self.serve(sandbox, pages)
        output = tap(sandbox.config(page_size=5))
        assert output.code == 0, output.stderr
        assert len(sandbox.pages("events")) == len(pages)
        items = sandbox.world.items("events")[: sum(count for count, _ in pages)]
        wanted = [{**expected("events", item), "metadata": None} for item in items]
        assert output.records("events") == wanted
        assert output.state["bookmarks"]["events"].get("cursor") == cursor

    @pytest.mark.parametrize("length", [1, 2, 3, 7])
    def test_cursors_in_a_circle(self, sandbox: Sandbox, tap: Tap, length: int) -> None:
        self.serve(sandbox, [(1, f"c{n % length}") for n in range(60)])
        output = tap(sandbox.config())
        assert output.code == 1
        assert "events: the API gave back a cursor that was sent before" in output.last_line
        assert output.counts()["events"] < 4 * length
        assert output.state["bookmarks"]["events"]["cursor"].startswith("c")

    def test_nothing_at_all(self, start: Start, tap: Tap) -> None:
        output = tap(start(visits=0, end="null").config())
        assert output.code == 0
        assert output.messages[0]["type"] == "SCHEMA"
        assert output.state["bookmarks"] == {stream: {} for stream in STREAMS}


class TestByTime:
    """Where there is no cursor, the export resumes by time."""

    @pytest.mark.parametrize(("unit", "hours"), [("seconds", 24), ("milliseconds", 0)])
    def test_from_the_latest_time_less_the_lookback(
        self, start: Start, tap: Tap, unit: str, hours: int
    ) -> None:
        sandbox = start(visits=100, time_unit=unit)
        seen = BEGINNING + 2 * DAY + 1
        state = {"bookmarks": {"events": {"replication_key_value": moment(seen)}}}
        settings = {} if hours == 24 else {"lookback_hours": hours}
        output = tap(sandbox.config(page_size=100, **settings), state=state)
        from_here = seen - hours * 3_600_000
        wanted = str(from_here // 1000 if unit == "seconds" else from_here)
        paged = [request for request in sandbox.pages("events") if request.param("pageSize") != "1"]
        assert len(paged) > 2
        assert {request.param("start") for request in paged} == {wanted}
        assert not sandbox.pages("users")[0].param("start")
        assert output.records("events") == [
            record
            for record in expected_records(sandbox.world, "events")
            if record["timestamp"] >= moment(from_here)
        ]

        sandbox.requests.clear()
        tap(sandbox.config(), state=output.state)
        assert [request.param("start") for request in sandbox.requests] == [None] * 3

    def test_not_before_the_start_date(self, sandbox: Sandbox, tap: Tap) -> None:
        state = {"bookmarks": {"events": {"replication_key_value": moment(BEGINNING + DAY)}}}
        config = sandbox.config(start_date=moment(BEGINNING + DAY // 2), time_unit="milliseconds")
        tap(config, state=state)
        assert sandbox.pages("events")[0].param("start") == str(BEGINNING + DAY // 2)

    def test_not_after_the_end_date(self, sandbox: Sandbox, tap: Tap) -> None:
        """What is left of the window, by time, is nothing: it is not asked for."""
        state = {"bookmarks": {"events": {"replication_key_value": moment(BEGINNING + 9 * DAY)}}}
        output = tap(sandbox.config(end_date=moment(BEGINNING + DAY)), state=state)
        assert output.code == 0
        assert sandbox.pages("events") == []
        assert output.state["bookmarks"]["events"] == state["bookmarks"]["events"]

    def test_the_latest_time_is_a_maximum(self, sandbox: Sandbox, tap: Tap) -> None:
        before, event = latest(sandbox, "events"), sandbox.world.items("events")[0]
        state: dict[str, Any] = {}
        for name in ("late", "later"):
            late = {**event, "id": name, "timestamp": BEGINNING - DAY}
            sandbox.world.logs["events"].extend([late])
            output = tap(sandbox.config(), state=state)
            state = output.state
            assert state["bookmarks"]["events"]["replication_key_value"] == before
        assert output.counts()["events"] == 1


class TestUnit:
    """The unit of the window is found out, once per stream and only if there is a window."""

    START = moment(BEGINNING + 12 * 3_600_000 + 250)
    END = moment(BEGINNING + 20 * 3_600_000 + 750)

    @pytest.mark.parametrize("unit", ["milliseconds", "seconds"])
    @pytest.mark.parametrize("setting", ["auto", "given"])
    def test_the_window_is_exact(self, start: Start, tap: Tap, unit: str, setting: str) -> None:
        sandbox = start(time_unit=unit)
        event = sandbox.world.items("events")[0]
        # on and around the bounds; seconds can't tell those of the same second apart
        steps = (0, 249, 250, 251, 749, 750, 751, 999, 1000)
        sandbox.world.logs["events"].extend(
            [
                {**event, "id": f"{hour} {step}", "timestamp": BEGINNING + hour * 3_600_000 + step}
                for hour in (12, 20)
                for step in steps
            ]
        )
        time_unit = unit if setting == "given" else "auto"
        config = sandbox.config(start_date=self.START, end_date=self.END, time_unit=time_unit)
        output = tap(config)
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
            probes = [r for r in sandbox.pages(stream) if r.param("pageSize") == "1"]
            assert len(probes) == (0 if setting == "given" else 1 if unit == "milliseconds" else 5)
        assert output.counts()["events"] > 8

    def test_no_window_no_question(self, sandbox: Sandbox, tap: Tap) -> None:
        tap(sandbox.config())
        assert {request.param("pageSize") for request in sandbox.requests} == {"1000"}

    def test_a_400_to_the_first_question_means_seconds(self, start: Start, tap: Tap) -> None:
        sandbox = start(time_unit="seconds")
        sandbox.faults = [
            Fault(status=400, times=-1, when=lambda r: r.param("start") == "1420070400000")
        ]
        output = tap(sandbox.config(start_date="2026-01-01"))
        assert output.records("users") == expected_records(sandbox.world, "users")

    @pytest.mark.parametrize("unit", ["milliseconds", "seconds"])
    @pytest.mark.parametrize("after", [1, 2])
    def test_the_first_record_of_all_arrives_meanwhile(
        self, start: Start, tap: Tap, unit: str, after: int
    ) -> None:
        """A wrong unit would end the export before it begins."""
        sandbox = start(visits=0, time_unit=unit)

        def arrive(request: Request) -> bool:
            if request.stream == "events" and len(sandbox.pages("events")) == after + 1:
                sandbox.world.visits(3)
            return False

        sandbox.faults = [Fault(when=arrive)]
        config = sandbox.config(start_date="2026-01-01", end_date="2026-12-01")
        output = tap(config)
        assert output.code == 0, output.stderr
        found = output.records("events") + tap(config, state=output.state).records("events")
        ids = {item["id"] for item in sandbox.world.items("events")}
        assert {record["id"] for record in found} == ids
        assert len(found) > 10

    def test_nothing_to_export_under_either_reading(self, start: Start, tap: Tap) -> None:
        output = tap(start(visits=0).config(start_date="2026-01-01"))
        assert output.code == 0
        assert output.stderr.count("nothing to export yet") == 3
        assert output.state["bookmarks"] == {stream: {} for stream in STREAMS}


class TestMaxRecords:
    """A run stops after the page that reaches the number; the next one resumes from there."""

    @pytest.mark.parametrize("end", ENDS)
    def test_in_steps(self, start: Start, tap: Tap, end: str) -> None:
        sandbox = start(visits=10, end=end)
        config = sandbox.config(page_size=20, max_records=50)
        state: dict[str, Any] = {}
        records: list[dict[str, Any]] = []
        for _ in range(100):
            sandbox.requests.clear()
            output = tap(config, state=state)
            records += output.records("events")
            assert len(output.records("events")) <= 60
            assert len(sandbox.pages("events")) <= 3
            if output.counts()["events"] < 50:
                break
            assert "events: done (max_records)" in output.stderr
            state = output.state
        counts = count_by_key("events", records)
        assert list(by_key("events", records).values()) == expected_records(sandbox.world, "events")
        assert max(counts.values()) <= (1 if end == "cursor" else 2)

    def test_no_page_more_than_that(self, sandbox: Sandbox, tap: Tap) -> None:
        """Not even ahead."""
        for limit, pages in ((10, 1), (25, 3)):
            sandbox.requests.clear()
            tap(sandbox.config(page_size=10, max_records=limit))
            assert [len(sandbox.pages(stream)) for stream in STREAMS] == [pages] * 3


class TestFullTable:
    """A stream forced to FULL_TABLE ignores and keeps no cursor."""

    @pytest.mark.parametrize("where", ["entry", "metadata", "metadata against the entry"])
    def test_from_the_beginning_each_time(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, where: str
    ) -> None:
        catalog = selected_catalog(tmp_path)
        entry = catalog["streams"][0]
        if where == "entry":
            entry["replication_method"] = "FULL_TABLE"
        else:
            if where == "metadata":
                del entry["replication_method"]
            (root,) = [m for m in entry["metadata"] if not m["breadcrumb"]]
            root["metadata"]["forced-replication-method"] = "FULL_TABLE"
        state = tap(sandbox.config()).state
        output = tap(sandbox.config(), catalog=catalog, state=state)
        assert output.records("events") == expected_records(sandbox.world, "events")
        assert output.state["bookmarks"]["events"] == {}
        assert output.counts()["users"] == 0
        assert output.state["bookmarks"]["users"] == state["bookmarks"]["users"]

    def test_its_records_carry_the_version_that_is_activated(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        """A target may delete those without."""
        catalog = catalog_of(tmp_path)
        for stream in catalog["streams"]:
            stream["replication_method"] = "FULL_TABLE"
        output = tap(sandbox.config(emit_activate_version_messages=True), catalog=catalog)
        for stream in STREAMS:
            activated = {
                m["version"] for m in output.of("ACTIVATE_VERSION") if m["stream"] == stream
            }
            records = {m.get("version") for m in output.of("RECORD") if m["stream"] == stream}
            assert activated == records
            assert len(activated) == 1

    @pytest.mark.parametrize("limit", [None, 10])
    def test_a_limit_gets_a_warning(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, limit: int | None
    ) -> None:
        """It exports the same records each time."""
        catalog = catalog_of(tmp_path)
        for stream in catalog["streams"]:
            stream["replication_method"] = "FULL_TABLE"
        output = tap(sandbox.config(max_records=limit, page_size=10), catalog=catalog)
        warnings = [w for w in output.warnings if "FULL_TABLE keeps no bookmark" in w]
        assert len(warnings) == (3 if limit else 0)
        assert output.counts()["events"] == (limit or len(sandbox.world.items("events")))


@pytest.mark.slow
def test_a_window_that_ends_while_a_page_is_read(sandbox: Sandbox, tmp_path: Path) -> None:
    """The page after was asked for before the end: what happens until then is not in it."""
    for event in sandbox.world.items("events"):
        event["payload"]["title"] = "x" * 8000  # the page does not fit into the pipe
    end = moment(int(time.time() * 1000) + 3000)
    config = sandbox.config(end_date=end, time_unit="milliseconds")
    with launch(tmp_path, config) as process:
        lines = [*lines_of(process, pause=5, every=500)]
    (state,) = [json.loads(line)["value"]["bookmarks"] for line in lines if b'"STATE"' in line][-1:]
    assert state["events"]["scope"]["finished"] is False
    assert state["users"]["scope"]["finished"] is True
    asked = [request.time for request in sandbox.pages("events")]
    assert len(asked) == 2
    assert asked[1] - asked[0] < 3
