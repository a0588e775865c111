"""The bookmark remembers what it was made with; a changed configuration loses nothing."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import KEYS, ORDERS, STREAMS, by_key, expected_records, moment
from dev.sandbox import Fault, Sandbox, Switches, World
from dev.sandbox.world import BEGINNING, DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.running import Output
    from dev.sandbox import Request
    from tests.support.fixtures import Tap

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

    def assert_complete(
        self,
        start_date: str = "",
        end_date: str = "~",
        event_types: list[str] | None = None,
        **_: Any,
    ) -> None:
        """See that nothing of a scope is missing."""
        for stream in STREAMS:
            types = event_types if stream == "events" and event_types else None
            assert self.missing(stream, types, start_date, end_date) == 0, stream


@pytest.fixture
def warehouse(tap: Tap, api: Sandbox) -> Warehouse:
    return Warehouse(tap, api)


def at(days: float) -> str:
    return moment(BEGINNING + int(days * DAY))


Step = tuple[dict[str, Any], "int | None"]
"""The settings of a run, and how many streams have to start from scratch; None for any number.

With a page as `cut`, the run fails there.
"""

SCENARIOS: dict[str, list[Step]] = {
    "narrower": [
        ({"event_types": LARGE, "start_date": at(1)}, 0),
        ({"event_types": SMALL, "start_date": at(2), "end_date": "2030-01-01T00:00:00Z"}, 0),
    ],
    # Sessions and users have no types.
    "more types": [({"event_types": SMALL}, 0), ({"event_types": LARGE}, 1)],
    "all types": [({"event_types": SMALL}, 0), ({}, 1)],
    "all types in other words": [({"event_types": SMALL}, 0), ({"event_types": []}, 1)],
    "other types": [({"event_types": SMALL}, 0), ({"event_types": ["tabOpened"]}, 1)],
    "earlier": [({"start_date": at(2)}, 0), ({"start_date": at(1)}, 3)],
    "from the beginning": [({"start_date": at(2)}, 0), ({}, 3)],
    "a later end": [({"end_date": at(2)}, 0), ({"end_date": at(3)}, 0)],
    "no end": [({"end_date": at(2)}, 0), ({}, 0)],
    "a later end of a window that is not over": [
        ({"end_date": "2090-01-01T00:00:00Z"}, 0),
        ({"end_date": "2091-01-01T00:00:00Z"}, 0),
    ],
    # Cut by the limit, so that it is not complete.
    "a later end of an export that had not come to it": [
        ({"end_date": at(3), "page_size": 20, "max_records": 20, "cut": 9}, 0),
        ({"lookback_hours": 0}, 0),
    ],
    "windows one after the other": [
        ({"start_date": at(day), "end_date": at(day + 1)}, 0) for day in range(4)
    ],
    # What arrives meanwhile is behind the cursor.
    "narrower, then wider": [
        ({"event_types": types}, n) for types, n in ((LARGE, 0), (SMALL, 0), (LARGE, 1))
    ],
    "an earlier end, then none": [({}, 0), ({"end_date": at(2)}, 0), ({}, 0)],
    # What was cut is resumed, and not ended where the old one had come to.
    **{
        f"cut on page {page}": [
            ({"event_types": SMALL}, 0),
            ({"event_types": LARGE, "cut": page}, 1),
            ({"event_types": LARGE}, 1 if page == 1 else 0),
        ]
        for page in (1, 2, 3)
    },
    **{
        f"cut between two changes, {number}": [
            ({"event_types": first}, 0),
            ({"event_types": second, "cut": 2}, None),
            ({"event_types": third}, None),
        ]
        for number, (first, second, third) in enumerate(
            itertools.product([SMALL, LARGE], [LARGE, []], [SMALL, LARGE])
        )
    },
}


def fail_from(sandbox: Sandbox, page: int) -> None:
    sandbox.faults = [
        Fault(status=403, times=-1, when=lambda r: len(sandbox.pages(r.stream)) >= page)
    ]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if "between two" in name else name
        for name in SCENARIOS
    ],
)
def test_nothing_of_a_scope_is_missing(warehouse: Warehouse, name: str) -> None:
    settings: dict[str, Any] = {}
    for given, anew in SCENARIOS[name]:
        settings = {"page_size": 100, **given}
        cut = settings.pop("cut", None)
        warehouse.sandbox.faults.clear()
        if cut:
            fail_from(warehouse.sandbox, cut)
        output = warehouse.run(**settings)
        assert anew is None or [ANEW in line for line in output.warnings] == [True] * anew
        if not cut:
            assert output.code == 0, output.stderr
            warehouse.assert_complete(**settings)
        warehouse.sandbox.world.visits(3)
    assert ANEW not in warehouse.run(**settings).stderr
    assert warehouse.last["events"] < 200
    warehouse.assert_complete(**settings)


@pytest.mark.parametrize(
    ("before", "after"),
    [
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


@pytest.mark.parametrize("wider", [at(3), None])
def test_a_later_end(warehouse: Warehouse, wider: str | None) -> None:
    """It resumes by time, so that a record counts that arrived late for the old window."""
    warehouse.run(end_date=at(2))
    late = {**warehouse.sandbox.world.items("events")[5], "id": "late"}
    late["timestamp"] = BEGINNING + 2 * DAY - 3 * 3_600_000
    warehouse.sandbox.world.logs["events"].extend([late])
    settings: dict[str, Any] = {} if wider is None else {"end_date": wider}
    output = warehouse.run(lookback_hours=4, time_unit="milliseconds", **settings)
    assert ANEW not in output.stderr
    warehouse.assert_complete(**settings)
    for stream in STREAMS:
        first = warehouse.sandbox.pages(stream)[0]
        assert first.param("cursor") is None
        assert first.param("start") == str(BEGINNING + 2 * DAY - 4 * 3_600_000)
        says = f"{stream}: resumes by time, from {at(2 - 4 / 24)} (4 h before the old"
        assert says in output.stderr
    warehouse.run(lookback_hours=4, **settings)
    assert sum(warehouse.last.values()) == 0


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


# What is stored


def test_a_state_that_does_not_say(warehouse: Warehouse) -> None:
    """As version 0.1.0 wrote it."""
    warehouse.run(event_types=SMALL)
    for bookmark in warehouse.state["bookmarks"].values():
        del bookmark["scope"]
    output = warehouse.run(start_date=at(-9))
    assert output.stderr.count("resumes from the cursor") == 3
    assert sum(warehouse.last.values()) == 0
    assert output.state["bookmarks"]["events"]["scope"]["start_date"] == at(-9)
    assert warehouse.run(start_date=at(-10)).stderr.count(ANEW) == 3


def test_what_is_remembered(warehouse: Warehouse) -> None:
    warehouse.run(event_types=LARGE, start_date=at(0))
    scope = warehouse.state["bookmarks"]["events"]["scope"]
    wanted = {"start_date": at(0), "end_date": None, "event_types": LARGE, "finished": False}
    assert {**scope, **wanted} == scope
    assert warehouse.state["bookmarks"]["users"]["scope"]["event_types"] is None
    assert warehouse.sandbox.switches.api_key not in json.dumps(warehouse.state)


def test_an_end_date_that_stands_for_never(sandbox: Sandbox, tap: Tap) -> None:
    """The last microsecond of the calendar, which is past its last whole millisecond."""
    config = sandbox.config(end_date="9999-12-31T23:59:59.999999Z")
    output = tap(config)
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)
    scope = output.state["bookmarks"]["events"]["scope"]
    assert scope["end_date"] == "9999-12-31T23:59:59.999Z"
    again = tap(config, state=output.state)
    assert again.stderr.count("resumes from the cursor") == 3
    assert again.counts() == dict.fromkeys(STREAMS, 0)
