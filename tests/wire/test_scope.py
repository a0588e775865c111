"""The bookmark remembers what it was made with; a changed configuration loses nothing."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import KEYS, ORDERS, STREAMS, by_key, count_by_key, expected_records, moment
from dev.sandbox import Fault, Sandbox, Switches, World
from dev.sandbox.world import BEGINNING, DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.running import Output
    from dev.sandbox import Request

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]

SMALL = ["pageOpened"]
LARGE = ["pageOpened", "tabOpened"]
ANEW = "since the bookmark was made: exporting"


class Bound(Sandbox):
    """An API whose cursors stand for a window and a filter: what is sent beside them is ignored."""

    def answer(self, request: Request) -> dict[str, Any]:
        cursor = request.param("cursor")
        if cursor is not None and cursor.startswith("["):
            sent, given_for = json.loads(cursor)
            request.params = {"pageSize": request.params["pageSize"], **given_for}
            request.params["cursor"] = [sent]
        given_for = {n: v for n, v in request.params.items() if n in {"start", "end", "events"}}
        body = super().answer(request)
        if body["nextCursor"]:
            body["nextCursor"] = json.dumps([body["nextCursor"], given_for])
        if cursor is not None:
            request.params["cursor"] = [cursor]
        return body


@pytest.fixture(params=["free", pytest.param("bound", marks=pytest.mark.slow)])
def api(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    kind = Sandbox if request.param == "free" else Bound
    with kind(World(seed=2, visits=130), Switches()) as sandbox:
        yield sandbox


class Warehouse:
    """Runs the tap again and again, and keeps what arrives."""

    def __init__(self, tap: Tap, sandbox: Sandbox) -> None:
        """Start with nothing."""
        self.tap = tap
        self.sandbox = sandbox
        self.state: dict[str, Any] = {}
        self.records: dict[str, list[dict[str, Any]]] = {stream: [] for stream in STREAMS}
        self.last: dict[str, int] = {}

    def run(self, page_size: int = 500, **settings: Any) -> Output:
        self.sandbox.requests.clear()
        config = self.sandbox.config(page_size=page_size, **settings)
        output = self.tap(config, state=self.state)
        self.state = output.state or self.state
        self.last = output.counts()
        for stream in STREAMS:
            self.records[stream] += output.records(stream)
        return output

    def missing(
        self,
        stream: str = "events",
        types: list[str] | None = None,
        start: str = "",
        end: str = "~",
    ) -> int:
        here = by_key(stream, self.records[stream]).keys()
        order, key = ORDERS[stream], KEYS[stream]
        return sum(
            record[key] not in here
            for record in expected_records(self.sandbox.world, stream)
            if start <= record[order] < end and (types is None or record.get("eventType") in types)
        )


@pytest.fixture
def warehouse(tap: Tap, api: Sandbox) -> Warehouse:
    return Warehouse(tap, api)


def at(days: float) -> str:
    return moment(BEGINNING + int(days * DAY))


def test_narrower_resumes(warehouse: Warehouse) -> None:
    warehouse.run(event_types=LARGE, start_date=at(1))
    warehouse.sandbox.world.visits(10)
    output = warehouse.run(event_types=SMALL, start_date=at(2), end_date="2030-01-01")
    assert output.code == 0
    assert ANEW not in output.stderr
    assert "events: resumes from the cursor (latest time seen: 2026-01-" in output.stderr
    assert 0 < warehouse.last["events"] < 100
    assert warehouse.missing(types=SMALL, start=at(1)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("wider", [LARGE, None, []])
def test_more_event_types(warehouse: Warehouse, wider: list[str] | None) -> None:
    warehouse.run(event_types=SMALL)
    warehouse.sandbox.world.visits(3)
    settings: dict[str, Any] = {} if wider is None else {"event_types": wider}
    output = warehouse.run(**settings)
    assert output.stderr.count(ANEW) == 1  # sessions and users have no types
    assert "| WARNING  | tap-croct" in next(x for x in output.stderr.splitlines() if ANEW in x)
    assert warehouse.missing(types=wider or None) == 0
    warehouse.sandbox.world.visits(3)
    again = warehouse.run(**settings)
    assert ANEW not in again.stderr
    assert warehouse.last["events"] < 200
    assert warehouse.missing(types=wider or None) == 0


@pytest.mark.slow
@pytest.mark.parametrize("wider", [at(1), None])
def test_an_earlier_start(warehouse: Warehouse, wider: str | None) -> None:
    warehouse.run(start_date=at(2))
    assert all(warehouse.missing(stream) for stream in STREAMS)
    settings: dict[str, Any] = {} if wider is None else {"start_date": wider}
    output = warehouse.run(**settings)
    assert output.stderr.count(ANEW) == 3
    for stream in STREAMS:
        assert warehouse.missing(stream, start=wider or "") == 0
    assert ANEW not in warehouse.run(**settings).stderr
    assert sum(warehouse.last.values()) == 0


@pytest.mark.parametrize("wider", [at(3), None])
def test_a_later_end(warehouse: Warehouse, wider: str | None) -> None:
    warehouse.run(end_date=at(2))
    late = {**warehouse.sandbox.world.items("events")[5], "id": "late"}
    late["timestamp"] = BEGINNING + 2 * DAY - 3 * 3_600_000
    warehouse.sandbox.world.logs["events"].extend([late])
    settings: dict[str, Any] = {} if wider is None else {"end_date": wider}
    output = warehouse.run(lookback_hours=4, time_unit="milliseconds", **settings)
    assert ANEW not in output.stderr
    for stream in STREAMS:
        assert warehouse.missing(stream, end=wider or "~") == 0
        first = warehouse.sandbox.pages(stream)[0]
        assert first.param("cursor") is None
        assert first.param("start") == str(BEGINNING + 2 * DAY - 4 * 3_600_000)
        assert f"{stream}: resumes by time, from {at(2 - 4 / 24)} (4 h before the old" in (
            output.stderr
        )
    warehouse.run(lookback_hours=4, **settings)
    assert sum(warehouse.last.values()) == 0


def test_a_later_end_of_an_export_that_was_cut(warehouse: Warehouse) -> None:
    """It had not come to the old end."""
    warehouse.run(end_date=at(3), page_size=20, max_records=20)
    warehouse.run(lookback_hours=0)
    for stream in STREAMS:
        assert warehouse.missing(stream) == 0


def test_a_later_end_of_a_window_that_is_not_over(warehouse: Warehouse) -> None:
    warehouse.run(end_date="2090-01-01")
    warehouse.sandbox.world.visits(20)
    warehouse.run(end_date="2091-01-01")
    for stream in STREAMS:
        assert warehouse.missing(stream) == 0


def test_windows_one_after_the_other(warehouse: Warehouse) -> None:
    for day in range(4):
        output = warehouse.run(start_date=at(day), end_date=at(day + 1))
        assert ANEW not in output.stderr
    for stream in STREAMS:
        assert warehouse.missing(stream, end=at(4)) == 0
        assert max(count_by_key(stream, warehouse.records[stream]).values()) == 1


def test_narrower_and_then_wider(warehouse: Warehouse) -> None:
    """What arrives meanwhile is behind the cursor."""
    warehouse.run(event_types=LARGE)
    warehouse.sandbox.world.visits(5)
    warehouse.run(event_types=SMALL)
    if not isinstance(warehouse.sandbox, Bound):
        assert warehouse.missing(types=LARGE) > 0
    output = warehouse.run(event_types=LARGE)
    assert output.stderr.count(ANEW) == 1
    assert warehouse.missing(types=LARGE) == 0


def test_an_earlier_end_and_then_none(warehouse: Warehouse) -> None:
    warehouse.run()
    warehouse.sandbox.world.visits(5)
    warehouse.run(end_date=at(2))
    warehouse.run()
    for stream in STREAMS:
        assert warehouse.missing(stream) == 0


def fail_from(sandbox: Sandbox, page: int) -> None:
    sandbox.faults = [
        Fault(status=403, times=-1, when=lambda r: len(sandbox.pages(r.stream)) >= page)
    ]


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_new_export_that_is_cut(warehouse: Warehouse, page: int) -> None:
    """It is resumed, not begun again; and not ended where the old one had come to."""
    warehouse.run(event_types=SMALL)
    sandbox = warehouse.sandbox
    fail_from(sandbox, page)
    assert warehouse.run(event_types=LARGE, page_size=100).code == 1
    assert warehouse.last["events"] == 100 * (page - 1)
    sandbox.faults.clear()
    output = warehouse.run(event_types=LARGE)
    assert output.stderr.count(ANEW) == (1 if page == 1 else 0)
    assert warehouse.missing(types=LARGE) == 0
    assert max(count_by_key("events", warehouse.records["events"]).values()) == 2


def test_cut_and_rejected(warehouse: Warehouse) -> None:
    """The time of the old bookmark must not count for the new export."""
    warehouse.run(event_types=SMALL)
    fail_from(warehouse.sandbox, 3)
    warehouse.run(event_types=LARGE, page_size=100)
    warehouse.state["bookmarks"]["events"]["cursor"] = "OLD"
    warehouse.sandbox.faults = [
        Fault(status=410, times=-1, when=lambda r: r.param("cursor") == "OLD")
    ]
    warehouse.run(event_types=LARGE)
    assert warehouse.missing(types=LARGE) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second", "third"),
    list(itertools.product([SMALL, LARGE], [LARGE, None], [SMALL, LARGE])),
)
def test_cut_between_two_changes(
    warehouse: Warehouse, first: list[str], second: list[str], third: list[str]
) -> None:
    sandbox = warehouse.sandbox
    warehouse.run(event_types=first)
    sandbox.world.visits(5)
    fail_from(sandbox, 2)
    warehouse.run(event_types=second, page_size=100)
    sandbox.faults.clear()
    warehouse.run(event_types=third)
    assert warehouse.missing(types=third) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"event_types": ["tabOpened", "pageOpened"]}, {"event_types": LARGE}),
        ({"event_types": LARGE}, {"event_types": ["tabOpened", "pageOpened", "tabOpened"]}),
        ({"start_date": "2026-01-02"}, {"start_date": "2026-01-02T03:00:00.000+03:00"}),
        ({"end_date": "2026-01-03T00:00:00Z"}, {"end_date": "2026-01-03"}),
        ({"max_records": 5000}, {"lookback_hours": 1, "time_unit": "milliseconds"}),
        ({}, {"api_key": "sandbox-key", "event_types": []}),
    ],
)
def test_the_same_in_other_words(
    warehouse: Warehouse, before: dict[str, Any], after: dict[str, Any]
) -> None:
    warehouse.run(**before)
    state = warehouse.state
    output = warehouse.run(**after)
    assert output.stderr.count("resumes from the cursor") == 3
    assert sum(warehouse.last.values()) == 0
    assert output.state == state


def test_a_state_that_does_not_say(warehouse: Warehouse) -> None:
    """As version 0.1.0 wrote it."""
    warehouse.run(event_types=SMALL)
    for bookmark in warehouse.state["bookmarks"].values():
        del bookmark["scope"]
    output = warehouse.run(start_date=at(-9))
    assert output.stderr.count("resumes from the cursor") == 3
    assert sum(warehouse.last.values()) == 0
    scope = output.state["bookmarks"]["events"]["scope"]
    assert scope["start_date"] == at(-9)
    assert output.stderr.count(ANEW) == 0
    assert warehouse.run(start_date=at(-10)).stderr.count(ANEW) == 3


def test_what_is_remembered(warehouse: Warehouse) -> None:
    warehouse.run(event_types=LARGE, start_date=at(0))
    assert warehouse.state["bookmarks"]["events"]["scope"] == {
        "start_date": at(0),
        "end_date": None,
        "event_types": LARGE,
        "finished": False,
        "application": "example-outfitters/shop/web-shop",
    }
    assert warehouse.state["bookmarks"]["users"]["scope"]["event_types"] is None
    assert warehouse.sandbox.switches.api_key not in json.dumps(warehouse.state)


def test_another_application(sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tap(sandbox.config())
    assert "come from the application" not in first.stderr
    from dev.sandbox.shop import METADATA

    monkeypatch.setattr("dev.sandbox.api.METADATA", {**METADATA, "applicationSlug": "app"})
    second = tap(sandbox.config(), state=first.state)
    says = (
        "events: the events come from the application example-outfitters/shop/app, "
        "but the bookmark was made with example-outfitters/shop/web-shop"
    )
    assert [says in line for line in second.warnings] == [True]
    assert second.code == 0
    assert says not in tap(sandbox.config(), state=second.state).stderr


def test_a_scope_that_cannot_be_read(sandbox: Sandbox, tap: Tap) -> None:
    state = {"bookmarks": {"users": {"cursor": "x", "scope": {"start_date": "soon"}}}}
    output = tap(sandbox.config(), state=state)
    assert output.code == 1
    assert "The state of users has a `scope` that cannot be read" in output.last_line
    assert sandbox.requests == []


def test_an_end_date_that_stands_for_never(sandbox: Sandbox, tap: Tap) -> None:
    """The last microsecond of the calendar, which is past its last whole millisecond."""
    config = sandbox.config(end_date="9999-12-31T23:59:59.999999Z")
    output = tap(config)
    assert output.code == 0, output.stderr
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)
    scope = output.state["bookmarks"]["events"]["scope"]
    assert scope["end_date"] == "9999-12-31T23:59:59.999Z"
    again = tap(config, state=output.state)
    assert again.stderr.count("resumes from the cursor") == 3
    assert again.counts() == dict.fromkeys(STREAMS, 0)
