"""A run resumes where the last one stopped; an export ends in each of three ways."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.expected import KEYS, ORDERS, STREAMS, expected, moment
from dev.running import launch
from dev.sandbox import Fault, Request, Sandbox
from dev.sandbox.world import BEGINNING, DAY
from tests.support.catalogs import entry_of, metadata_of
from tests.support.fixtures import Json, Start, Tap
from tests.support.runs import Pipeline, assert_all, lines_of, serve

HOUR = 3_600_000


def latest(sandbox: Sandbox, stream: str) -> str:
    return moment(max(int(item[ORDERS[stream]]) for item in sandbox.world.items(stream)))


@pytest.mark.parametrize("end", ["cursor", "null", "empty"])
def test_a_second_run_brings_what_is_new(start: Start, tap: Tap, end: str) -> None:
    sandbox = start(end=end)
    pipeline = Pipeline(tap, sandbox)
    first = pipeline.run(page_size=100)
    assert_all(first, sandbox)
    for stream in STREAMS:
        bookmark = pipeline.bookmark(stream)
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
    second = pipeline.run(page_size=100)
    pipeline.assert_complete()
    for stream in STREAMS:
        cursor = first.state["bookmarks"][stream].get("cursor")
        assert sandbox.pages(stream)[0].param("cursor") == cursor
        unchanged = {i[KEYS[stream]] for i in before[stream] if i in sandbox.world.items(stream)}
        repeated = unchanged & {record[KEYS[stream]] for record in second.records(stream)}
        # Without a cursor at the end, the last page is read again.
        assert len(repeated) <= (0 if end == "cursor" else 100)


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
    assert len(sandbox.pages("events")) > 3
    for request in sandbox.requests:
        assert request.param("pageSize") == "3"
        assert request.param("start") == str(BEGINNING + 500)
        assert request.param("end") == str(BEGINNING + 11 * HOUR)
        types = ["tabOpened", "pageOpened"] if request.stream == "events" else None
        assert request.params.get("events") == types
        assert request.headers["x-api-key"] == sandbox.switches.api_key
        assert request.headers["accept"] == "application/json"
        assert request.headers["user-agent"] == "night shift"
    assert {event["eventType"] for event in output.records("events")} == {"tabOpened", "pageOpened"}
    assert "done (end_date)" in output.stderr
    tap(sandbox.config())
    assert sandbox.requests[-1].headers["user-agent"].startswith("tap-croct/0.")


PAGES: list[tuple[list[tuple[int, Any]], str | None]] = [
    ([(5, "a"), (1, "b"), (4, None)], "b"),  # a short page is no end
    ([(1, "a"), (0, "b"), (0, "b")], "b"),
    # four pages in a row without records, and again
    (2 * [(1, "a"), (0, "b"), (0, "c"), (0, "d"), (0, "e")] + [(1, None)], "e"),
    ([(1, "a"), (0, "a")], "a"),
    ([(1, "a"), (0, None)], "a"),
    ([(1, None)], None),
    ([(1, "")], None),
    ([(1, "missing")], None),
]


class TestEnds:
    """Where an export ends, and where not."""

    @staticmethod
    def serve(sandbox: Sandbox, pages: list[tuple[int, Any]]) -> None:
        """Answer with pages of events: the number of items, and the `nextCursor`."""
        items = iter(sandbox.world.items("events"))
        bodies: list[Json] = []
        for count, cursor in pages:
            bodies.append({"items": [next(items) for _ in range(count)]})
            if cursor != "missing":
                bodies[-1]["nextCursor"] = cursor
        serve(sandbox, *bodies)

    @pytest.mark.parametrize(("pages", "cursor"), PAGES)
    def test_where(
        self, pipeline: Pipeline, pages: list[tuple[int, Any]], cursor: str | None
    ) -> None:
        sandbox = pipeline.sandbox
        self.serve(sandbox, pages)
        output = pipeline.run(page_size=5)
        assert len(sandbox.pages("events")) == len(pages)
        items = sandbox.world.items("events")[: sum(count for count, _ in pages)]
        wanted = [{**expected("events", item), "metadata": None} for item in items]
        assert output.records("events") == wanted
        assert pipeline.bookmark().get("cursor") == cursor

    @pytest.mark.parametrize("length", [1, 2, 3, 7])
    @pytest.mark.parametrize("empty", [None, 1])
    def test_cursors_in_a_circle(self, pipeline: Pipeline, length: int, empty: int | None) -> None:
        """Also where one of its pages is empty."""
        pages = [(int(n % length != empty), f"c{n % length}") for n in range(60)]
        self.serve(pipeline.sandbox, pages)
        output = pipeline.run(code=1)
        assert "events: the API gave back a cursor that was sent before" in output.last_line
        answered = pages[: len(pipeline.sandbox.pages("events"))]
        assert output.counts()["events"] == sum(count for count, _ in answered) < 4 * length
        assert pipeline.bookmark()["cursor"].startswith("c")


PLACES = [
    (2 * DAY, {}, str(BEGINNING + DAY)),
    (DAY, {"lookback_hours": 0}, str(BEGINNING + DAY)),
    (DAY, {"start_date": moment(BEGINNING + DAY // 2)}, str(BEGINNING + DAY // 2)),
    # the lookback reaches beyond the calendar
    (DAY, {"lookback_hours": 10**12}, "-62135596800000"),
    # nothing is left of the window, by time: it is not asked for
    (9 * DAY, {"end_date": moment(BEGINNING + DAY)}, None),
]


class TestByTime:
    """Where there is no cursor, the export resumes by time."""

    @pytest.mark.parametrize(("seen", "settings", "asked"), PLACES)
    def test_from_where(
        self, pipeline: Pipeline, seen: int, settings: Json, asked: str | None
    ) -> None:
        bookmark = {"replication_key_value": moment(BEGINNING + seen)}
        pipeline.state = {"bookmarks": {"events": bookmark}}
        pipeline.run(time_unit="milliseconds", page_size=200, **settings)
        starts = [request.param("start") for request in pipeline.sandbox.pages("events")]
        assert starts[:1] == ([asked] if asked else [])
        assert asked or pipeline.bookmark() == bookmark
        assert not pipeline.sandbox.pages("users")[0].param("start") or "start_date" in settings

    def test_the_latest_time_is_a_maximum(self, pipeline: Pipeline) -> None:
        world = pipeline.sandbox.world
        before, event = latest(pipeline.sandbox, "events"), world.items("events")[0]
        for name in ("late", "later"):
            world.logs["events"].extend([{**event, "id": name, "timestamp": BEGINNING - DAY}])
            output = pipeline.run()
            assert pipeline.bookmark()["replication_key_value"] == before
        assert output.counts()["events"] == 1


class TestMaxRecords:
    """A run stops after the page that reaches the number; the next one resumes from there."""

    def test_no_page_more_than_that(self, sandbox: Sandbox, tap: Tap) -> None:
        """Not even ahead."""
        for limit, pages in ((2, 1), (5, 3)):
            sandbox.requests.clear()
            tap(sandbox.config(page_size=2, max_records=limit))
            assert [len(sandbox.pages(stream)) for stream in STREAMS] == [pages] * 3


class TestFullTable:
    """A stream forced to FULL_TABLE ignores and keeps no cursor."""

    @pytest.mark.parametrize("where", ["entry", "replication_method", "forced-replication-method"])
    def test_from_the_beginning_each_time(
        self, sandbox: Sandbox, tap: Tap, catalog: Json, where: str
    ) -> None:
        entry = entry_of(catalog, "events")
        if where == "entry":
            entry["replication_method"] = "FULL_TABLE"
        else:
            metadata_of(entry, [])[where] = "FULL_TABLE"
        state = tap(sandbox.config()).state
        output = tap(sandbox.config(), catalog=catalog, state=state)
        assert_all(output, sandbox, "events")
        assert output.state["bookmarks"]["events"] == {}
        assert output.counts()["users"] == 0
        assert output.state["bookmarks"]["users"] == state["bookmarks"]["users"]

    @pytest.mark.parametrize("limit", [None, 5])
    def test_versions_and_limits(
        self, sandbox: Sandbox, tap: Tap, catalog: Json, limit: int | None
    ) -> None:
        """A target may delete what lacks the activated version; a limit gets a warning."""
        for stream in catalog["streams"]:
            stream["replication_method"] = "FULL_TABLE"
        settings = {"emit_activate_version_messages": True, "max_records": limit, "page_size": 5}
        output = tap(sandbox.config(**settings), catalog=catalog)
        for stream in STREAMS:
            activated = {
                m["version"] for m in output.of("ACTIVATE_VERSION") if m["stream"] == stream
            }
            records = {m.get("version") for m in output.of("RECORD") if m["stream"] == stream}
            assert activated == records
            assert len(activated) == 1
        warnings = [w for w in output.warnings if "FULL_TABLE keeps no bookmark" in w]
        assert len(warnings) == (3 if limit else 0)  # it exports the same records each time
        assert output.counts()["events"] == (limit or len(sandbox.world.items("events")))


@pytest.mark.slow
def test_at_most_one_page_ahead(start: Start, tmp_path: Path) -> None:
    """A pipe does not take a page of these events at once."""
    sandbox = start(visits=50)
    for event in sandbox.world.items("events"):
        event["payload"]["title"] = "x" * 20_000
    in_the_pipe = 4  # lines; with them, the last lines of a page
    seen = 0
    with launch(tmp_path, sandbox.config(page_size=50)) as process:
        for line in lines_of(process, pause=0.02, every=10):
            if line.startswith(b'{"type":"RECORD","stream":"events"'):
                page = (seen + in_the_pipe) // 50 + 1
                assert len(sandbox.pages("events")) <= page + 1
                seen += 1
    assert seen == len(sandbox.world.items("events"))


@pytest.mark.slow
def test_a_window_that_ends_while_a_page_is_read(start: Start, tmp_path: Path) -> None:
    """The page after was asked for before the end: what happens until then is not in it."""
    sandbox = start()
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


# Pages without records in the middle of an export: followed, up to five in a row

SIZE = 20
PASSED = {"start_date": "2020-01-01", "end_date": "2026-01-01T03:00:00Z"}
GIVEN = {"start_date": "2020-01-01", "time_unit": "milliseconds"}


def empty(position: int, number: int) -> bytes:
    """Return a page without records; its cursor stands for the same position, but is another."""
    text = f'["events",{" " * number}{position}]'
    cursor = base64.b64encode(b"+/?&" + text.encode()).decode()
    return json.dumps({"items": [], "nextCursor": cursor}).encode()


def empty_pages(sandbox: Sandbox, position: int) -> list[Fault]:
    """Have nine empty pages in a row come where so many records have been sent."""

    def comes(request: Request) -> bool:
        if request.stream != "events" or request.param("pageSize") != str(SIZE):
            return False
        cursor = request.param("cursor")
        at = json.loads(base64.b64decode(cursor)[4:])[1] if cursor else 0
        return bool(at == position)

    sandbox.faults = [
        Fault(status=200, body=empty(position, number), when=comes) for number in range(2, 11)
    ]
    return sandbox.faults


@pytest.mark.parametrize("window", [{}, PASSED, GIVEN], ids=str)
@pytest.mark.parametrize("position", [0, 40])
def test_after_five_the_next_run_resumes(
    tap: Tap, pipeline: Pipeline, position: int, window: Json
) -> None:
    """The window does not count as finished: a later `end_date` brings what is missing, too."""
    sandbox = pipeline.sandbox
    wanted = tap(sandbox.config(**window)).records("events")
    faults = empty_pages(sandbox, position)
    first = pipeline.run(page_size=SIZE, **window)
    assert sum(fault.seen for fault in faults) == 5
    (warning,) = first.warnings
    assert "events: 5 pages without records in a row" in warning
    assert first.last_line.endswith("left for the next run: events (empty pages)")
    bookmark = pipeline.bookmark()
    assert not bookmark["scope"]["finished"]
    assert len(first.records("events")) == position

    sandbox.faults = []
    second = pipeline.run(page_size=SIZE, **window)
    assert bookmark["cursor"] in [page.param("cursor") for page in sandbox.pages("events")]
    assert second.last_line.endswith("nothing left")
    assert pipeline.records["events"] == wanted


def test_after_five_with_a_wrong_time_unit(pipeline: Pipeline) -> None:
    """The bookmark stays: a cursor could be behind what is in the window of the right one."""
    for trouble in ([], [Fault(status=422, times=-1, when=asks("pageSize", "1"))]):
        empty_pages(pipeline.sandbox, 0).extend(trouble)
        output = pipeline.run(page_size=SIZE, start_date="2020-01-01", time_unit="seconds")
        assert "check `time_unit`" in output.stderr
        assert pipeline.bookmark() == {}


def asks(name: str, value: str) -> Callable[[Request], bool]:
    return lambda request: request.stream == "events" and request.param(name) == value


@pytest.mark.parametrize("undated", [[], [{"id": "1"}]])
def test_while_the_time_unit_is_found_out(pipeline: Pipeline, undated: list[Json]) -> None:
    """They say nothing about the unit, nor does a record without a time then.

    A wrong one would bring an empty export.
    """
    window: Json = {"start_date": "2020-01-01", "end_date": "2027-01-01"}
    page = json.dumps({"items": undated, "nextCursor": None}).encode()
    first, last = asks("start", "1420070400000"), asks("end", "4102444800")
    pages = [Fault(status=200, body=empty(0, number), when=first) for number in range(2, 7)]
    pipeline.sandbox.faults = [*pages, Fault(status=200, body=page, when=last)]
    output = pipeline.run(**window)
    assert output.records("events") == []
    assert output.last_line.endswith("events (empty pages)")
    assert "check `time_unit`" in output.stderr
    pipeline.sandbox.faults = []
    pipeline.run(**window)
    pipeline.assert_complete()


def test_where_one_record_was_deleted(pipeline: Pipeline) -> None:
    """The search for the unit begins with a page of one record, which may be an empty one."""
    pipeline.sandbox.faults = [
        Fault(status=200, body=empty(0, 2), times=-1, when=asks("pageSize", "1"))
    ]
    pipeline.run(start_date="2020-01-01")
    pipeline.assert_complete()
