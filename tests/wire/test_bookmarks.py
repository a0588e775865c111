"""A run resumes where the last one stopped; an export ends in each of three ways."""

from __future__ import annotations

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
from dev.sandbox import Fault
from dev.sandbox.world import BEGINNING, DAY
from tap_croct.messages import MessageWriter
from tests.support.catalogs import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Request, Sandbox

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]

ENDS = ["cursor", "null", "empty"]


def latest(sandbox: Sandbox, stream: str) -> int:
    return max(int(item[ORDERS[stream]]) for item in sandbox.world.items(stream))


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
        assert bookmark["replication_key_value"] == moment(latest(sandbox, stream))

    before = {stream: sandbox.world.items(stream) for stream in STREAMS}
    sandbox.world.visits(10)
    sandbox.world.late_events(5)
    sandbox.world.change_users(3)
    sandbox.requests.clear()
    second = tap(config, state=first.state)
    for stream in STREAMS:
        assert sandbox.pages(stream)[0].param("cursor") == first.state["bookmarks"][stream].get(
            "cursor"
        )
        records = by_key(stream, first.records(stream) + second.records(stream))
        wanted = expected_records(sandbox.world, stream)
        assert records == by_key(stream, wanted)
        again = [record for record in before[stream] if record in sandbox.world.items(stream)]
        repeated = {record[KEYS[stream]] for record in again} & {
            record[KEYS[stream]] for record in second.records(stream)
        }
        if end == "cursor":
            assert not repeated
        else:
            assert len(repeated) <= 100  # the page of the last cursor; without one, the only page


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


def test_the_user_agent_names_the_tap(sandbox: Sandbox, tap: Tap) -> None:
    tap(sandbox.config())
    assert sandbox.requests[0].headers["user-agent"].startswith("tap-croct/0.")


class TestEnds:
    """Where an export ends, and where not."""

    def test_a_short_page_is_no_end(self, sandbox: Sandbox, tap: Tap) -> None:
        log = sandbox.world.logs["events"]
        items = [
            {**event, "timestamp": BEGINNING + number}
            for number, event in enumerate(log.items[:10])
        ]
        bodies: list[dict[str, Any]] = [
            {"items": items[:5], "nextCursor": "a"},
            {"items": items[5:6], "nextCursor": "b"},
        ]
        bodies += [{"items": items[6:], "nextCursor": None}]
        serve(sandbox, bodies)
        output = tap(sandbox.config(page_size=5))
        assert output.records("events") == [
            {**expected("events", item), "metadata": None} for item in items
        ]
        assert output.state["bookmarks"]["events"]["cursor"] == "b"

    def test_a_page_without_items_and_its_cursor(self, sandbox: Sandbox, tap: Tap) -> None:
        items = sandbox.world.items("events")[:1]
        serve(sandbox, [{"items": items, "nextCursor": "a"}, {"items": [], "nextCursor": "b"}])
        output = tap(sandbox.config())
        assert [r.param("cursor") for r in sandbox.pages("events")] == [None, "a"]
        assert output.state["bookmarks"]["events"]["cursor"] == "b"

    @pytest.mark.parametrize("last", [{"nextCursor": None}, {"nextCursor": ""}, {}])
    def test_a_first_page_without_a_cursor(
        self, sandbox: Sandbox, tap: Tap, last: dict[str, Any]
    ) -> None:
        serve(sandbox, [{"items": sandbox.world.items("events")[:1], **last}])
        output = tap(sandbox.config())
        assert output.counts()["events"] == 1
        assert "cursor" not in output.state["bookmarks"]["events"]

    def test_an_unchanged_cursor_with_items(self, sandbox: Sandbox, tap: Tap) -> None:
        items = sandbox.world.items("events")
        serve(sandbox, [{"items": items[n : n + 1], "nextCursor": "same"} for n in range(9)])
        output = tap(sandbox.config())
        assert output.code == 1
        assert "events: the API gave back a cursor that was sent before" in output.last_line
        assert output.counts()["events"] == 1
        assert output.state["bookmarks"]["events"]["cursor"] == "same"

    @pytest.mark.parametrize("length", [2, 3, 7])
    def test_cursors_in_a_circle(self, sandbox: Sandbox, tap: Tap, length: int) -> None:
        items = sandbox.world.items("events")
        serve(
            sandbox,
            [{"items": items[n : n + 1], "nextCursor": f"c{n % length}"} for n in range(60)],
        )
        output = tap(sandbox.config())
        assert output.code == 1
        assert "events: the API gave back a cursor that was sent before" in output.last_line
        assert output.counts()["events"] < 4 * length

    def test_the_first_message_of_a_first_run(self, sandbox: Sandbox, tap: Tap) -> None:
        assert tap(sandbox.config()).messages[0]["type"] == "SCHEMA"

    def test_nothing_at_all(self, start: Start, tap: Tap) -> None:
        sandbox = start(visits=0, end="null")
        output = tap(sandbox.config())
        assert output.code == 0
        assert output.state["bookmarks"] == {stream: {} for stream in STREAMS}


def serve(sandbox: Sandbox, bodies: list[dict[str, Any]]) -> None:
    """Answer the requests for events with these bodies, one after the other."""
    import json

    sandbox.faults = [
        Fault(status=200, body=json.dumps(body).encode(), when=lambda r: r.stream == "events")
        for body in bodies
    ]


class TestByTime:
    """Where there is no cursor, the export resumes by time."""

    @pytest.mark.parametrize("unit", ["milliseconds", "seconds"])
    def test_from_the_latest_time_less_a_day(self, start: Start, tap: Tap, unit: str) -> None:
        sandbox = start(visits=100, time_unit=unit)
        seen = moment(BEGINNING + 2 * DAY + 1)
        state = {"bookmarks": {"events": {"replication_key_value": seen}}}
        output = tap(sandbox.config(page_size=100), state=state)
        from_here = BEGINNING + DAY + 1
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

    def test_the_latest_time_is_a_maximum(self, sandbox: Sandbox, tap: Tap) -> None:
        before = latest(sandbox, "events")
        sandbox.world.logs["events"].extend(
            [{**sandbox.world.items("events")[0], "id": "late", "timestamp": BEGINNING - DAY}]
        )
        state = tap(sandbox.config(page_size=1000)).state
        assert state["bookmarks"]["events"]["replication_key_value"] == moment(before)
        sandbox.world.logs["events"].extend(
            [{**sandbox.world.items("events")[0], "id": "later", "timestamp": BEGINNING - DAY}]
        )
        again = tap(sandbox.config(), state=state)
        assert again.counts()["events"] == 1
        assert again.state["bookmarks"]["events"]["replication_key_value"] == moment(before)


class TestUnit:
    """The unit of the window is found out, once per stream and only if there is a window."""

    START = moment(BEGINNING + 12 * 3_600_000 + 250)
    END = moment(BEGINNING + 20 * 3_600_000 + 750)

    @pytest.mark.parametrize("unit", ["milliseconds", "seconds"])
    @pytest.mark.parametrize("setting", ["auto", "given"])
    def test_the_window_is_exact(self, start: Start, tap: Tap, unit: str, setting: str) -> None:
        sandbox = start(time_unit=unit)
        # items on and around the bounds, which a whole second can't tell apart
        sandbox.world.logs["events"].extend(
            [
                {**sandbox.world.items("events")[0], "id": str(number), "timestamp": base + step}
                for number, (base, step) in enumerate(
                    (base, step)
                    for base in (BEGINNING + 12 * 3_600_000, BEGINNING + 20 * 3_600_000)
                    for step in (0, 249, 250, 251, 749, 750, 751, 999, 1000)
                )
            ]
        )
        output = tap(
            sandbox.config(
                start_date=self.START,
                end_date=self.END,
                time_unit=unit if setting == "given" else "auto",
            )
        )
        for stream in STREAMS:
            assert output.records(stream) == [
                record
                for record in expected_records(sandbox.world, stream)
                if self.START <= record[ORDERS[stream]] < self.END
            ]
            probes = [r for r in sandbox.pages(stream) if r.param("pageSize") == "1"]
            count = 0 if setting == "given" else 1 if unit == "milliseconds" else 3
            assert len(probes) == count
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
        assert {record["id"] for record in found} == {
            item["id"] for item in sandbox.world.items("events")
        }
        assert len(found) > 10

    def test_nothing_to_export_under_either_reading(self, start: Start, tap: Tap) -> None:
        sandbox = start(visits=0)
        output = tap(sandbox.config(start_date="2026-01-01"))
        assert output.code == 0
        assert output.stderr.count("nothing to export yet") == 3
        assert output.state["bookmarks"] == {stream: {} for stream in STREAMS}


class TestMaxRecords:
    """A run stops after the page that reaches the number; the next one resumes from there."""

    @pytest.mark.slow
    @pytest.mark.parametrize("end", ENDS)
    def test_in_steps(self, start: Start, tap: Tap, end: str) -> None:
        sandbox = start(end=end)
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

    def test_a_page_that_reaches_it_exactly(self, sandbox: Sandbox, tap: Tap) -> None:
        tap(sandbox.config(page_size=20, max_records=20))
        assert len(sandbox.pages("events")) == 1


class TestFullTable:
    """A stream forced to FULL_TABLE ignores and keeps no cursor."""

    @pytest.mark.parametrize("where", ["entry", "metadata", "metadata against the entry"])
    def test_from_the_beginning_each_time(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, where: str
    ) -> None:
        catalog = catalog_of(tmp_path)
        entry = next(s for s in catalog["streams"] if s["tap_stream_id"] == "events")
        if where == "entry":
            entry["replication_method"] = "FULL_TABLE"
        else:
            if where == "metadata":
                del entry["replication_method"]
            (root,) = [m for m in entry["metadata"] if not m["breadcrumb"]]
            root["metadata"]["forced-replication-method"] = "FULL_TABLE"
        for stream in catalog["streams"]:
            (root,) = [m for m in stream["metadata"] if not m["breadcrumb"]]
            root["metadata"]["selected"] = True
        state = tap(sandbox.config()).state
        output = tap(sandbox.config(), catalog=catalog, state=state)
        assert output.records("events") == expected_records(sandbox.world, "events")
        assert output.state["bookmarks"]["events"] == {}
        assert output.counts()["users"] == 0
        assert output.state["bookmarks"]["users"] == state["bookmarks"]["users"]

    @pytest.mark.parametrize("limit", [None, 10])
    def test_the_same_records_each_time(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, limit: int | None
    ) -> None:
        catalog = catalog_of(tmp_path)
        for stream in catalog["streams"]:
            stream["replication_method"] = "FULL_TABLE"
        output = tap(sandbox.config(max_records=limit, page_size=10), catalog=catalog)
        warnings = [w for w in output.warnings if "FULL_TABLE keeps no bookmark" in w]
        assert len(warnings) == (3 if limit else 0)
        assert output.counts()["events"] == (limit or len(sandbox.world.items("events")))


@pytest.mark.slow
def test_a_window_that_ends_while_a_page_is_written(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page after was asked for before the end: what happens until then is not in it."""
    write = MessageWriter.write_records

    def slowly(*args: Any, **options: Any) -> None:
        if args[1] == "events":
            time.sleep(2.5)
        write(*args, **options)

    monkeypatch.setattr(MessageWriter, "write_records", slowly)
    now = int(time.time() * 1000)
    output = tap(sandbox.config(end_date=moment(now + 2000), time_unit="milliseconds"))
    bookmarks = output.state["bookmarks"]
    assert bookmarks["events"]["scope"]["finished"] is False
    assert bookmarks["users"]["scope"]["finished"] is True
    asked = [request.time for request in sandbox.pages("events")]
    assert len(asked) == 2
    assert asked[1] - asked[0] < 2
