"""The bookmark remembers what it was made with; a changed configuration loses nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dev.expected import STREAMS, moment
from dev.sandbox import Request, Sandbox, Switches, World
from dev.sandbox.world import BEGINNING
from tests.support.fixtures import Json, Tap
from tests.support.runs import ANEW, Pipeline, assert_all, fail_from

SMALL = ["pageOpened"]
LARGE = ["pageOpened", "tabOpened"]
HOUR = 3_600_000
SHIFT = 8 * HOUR


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


@pytest.fixture
def api() -> Iterator[Sandbox]:
    with Bound(World(seed=2, visits=45), Switches()) as sandbox:
        yield sandbox


@pytest.fixture
def pipeline(tap: Tap, api: Sandbox) -> Pipeline:
    return Pipeline(tap, api)


def at(shifts: float) -> str:
    """Return a time within the history of the sandbox, which is four shifts of eight hours."""
    return moment(BEGINNING + int(shifts * SHIFT))


Step = tuple[Json, int]
"""The settings of a run, and how many streams have to start from scratch.

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
    "earlier": [({"start_date": at(2)}, 0), ({"start_date": at(1)}, 3)],
    "from the beginning": [({"start_date": at(2)}, 0), ({}, 3)],
    "a later end of a window that is not over": [
        ({"end_date": "2090-01-01T00:00:00Z"}, 0),
        ({"end_date": "2091-01-01T00:00:00Z"}, 0),
    ],
    # Cut by the limit, so that it is not complete.
    "a later end of an export that had not come to it": [
        ({"end_date": at(3), "page_size": 20, "max_records": 20, "cut": 9}, 0),
        ({"lookback_hours": 0}, 0),
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
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_of_a_scope_is_missing(pipeline: Pipeline, name: str) -> None:
    settings: Json = {}
    for given, anew in SCENARIOS[name]:
        settings = {"page_size": 80, "lookback_hours": 8, **given}
        cut = settings.pop("cut", None)
        pipeline.sandbox.faults.clear()
        if cut:
            fail_from(pipeline.sandbox, cut)
        finished = not cut or "max_records" in settings
        output = pipeline.run(code=0 if finished else 1, **settings)
        assert [ANEW in line for line in output.warnings] == [True] * anew
        if not cut:
            pipeline.assert_complete(**settings)
        pipeline.sandbox.world.visits(3)
    output = pipeline.run(**settings)
    assert ANEW not in output.stderr
    assert output.counts()["events"] < 200
    pipeline.assert_complete(**settings)


SAME: list[tuple[Json, Json]] = [
    ({"event_types": LARGE}, {"event_types": ["tabOpened", "pageOpened", "tabOpened"]}),
    ({"start_date": "2026-01-02"}, {"start_date": "2026-01-02T03:00:00.000+03:00"}),
    ({"end_date": "2026-01-03T00:00:00Z"}, {"end_date": "2026-01-03"}),
    ({"max_records": 5000}, {"lookback_hours": 1, "time_unit": "milliseconds"}),
    ({}, {"api_key": "sandbox-key", "event_types": []}),
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_the_same_in_other_words(pipeline: Pipeline, before: Json, after: Json) -> None:
    state = pipeline.run(**before).state
    output = pipeline.run(**after)
    assert output.stderr.count("resumes from the cursor") == 3
    assert sum(output.counts().values()) == 0
    assert output.state == state


@pytest.mark.parametrize("wider", [at(3), None])
def test_a_later_end(pipeline: Pipeline, wider: str | None) -> None:
    """It resumes by time, so that a record counts that arrived late for the old window."""
    world = pipeline.sandbox.world
    pipeline.run(end_date=at(2))
    late = {**world.items("events")[5], "id": "late", "timestamp": BEGINNING + 2 * SHIFT - 3 * HOUR}
    world.logs["events"].extend([late])
    settings: Json = {} if wider is None else {"end_date": wider}
    output = pipeline.run(lookback_hours=4, time_unit="milliseconds", **settings)
    assert ANEW not in output.stderr
    pipeline.assert_complete(**settings)
    for stream in STREAMS:
        first = pipeline.sandbox.pages(stream)[0]
        assert first.param("cursor") is None
        assert first.param("start") == str(BEGINNING + 2 * SHIFT - 4 * HOUR)
        says = f"{stream}: resumes by time, from {at(1.5)} (4 h before the old"
        assert says in output.stderr
    assert sum(pipeline.run(lookback_hours=4, **settings).counts().values()) == 0


# What is stored


def test_a_state_that_does_not_say(pipeline: Pipeline) -> None:
    """As version 0.1.0 wrote it."""
    pipeline.run(event_types=SMALL)
    for stream in STREAMS:
        del pipeline.bookmark(stream)["scope"]
    output = pipeline.run(start_date=at(-9))
    assert output.stderr.count("resumes from the cursor") == 3
    assert sum(output.counts().values()) == 0
    assert pipeline.bookmark()["scope"]["start_date"] == at(-9)
    assert pipeline.run(start_date=at(-10)).stderr.count(ANEW) == 3


def test_what_is_remembered(pipeline: Pipeline) -> None:
    pipeline.run(event_types=["pageOpened", *LARGE], start_date=at(0))
    scope = pipeline.bookmark()["scope"]
    wanted = {"start_date": at(0), "end_date": None, "event_types": LARGE, "finished": False}
    assert {**scope, **wanted} == scope
    assert pipeline.bookmark("users")["scope"]["event_types"] is None
    assert pipeline.sandbox.switches.api_key not in json.dumps(pipeline.state)


def test_an_end_date_that_stands_for_never(pipeline: Pipeline) -> None:
    """The last microsecond of the calendar, which is past its last whole millisecond."""
    never = "9999-12-31T23:59:59.999999Z"
    assert_all(pipeline.run(end_date=never), pipeline.sandbox)
    assert pipeline.bookmark()["scope"]["end_date"] == "9999-12-31T23:59:59.999Z"
    again = pipeline.run(end_date=never)
    assert again.stderr.count("resumes from the cursor") == 3
    assert again.counts() == dict.fromkeys(STREAMS, 0)
