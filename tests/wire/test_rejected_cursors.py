"""A cursor that the API rejects costs nothing: the run confirms it, and resumes by time."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev.expected import KEYS, ORDERS, STREAMS, expected_records, moment
from dev.running import Output, launch
from dev.sandbox import Fault, Request, Sandbox
from dev.sandbox.world import BEGINNING, DAY
from tap_croct import times
from tests.support.fixtures import Start, Tap
from tests.support.runs import Pipeline, assert_all, ids, lines_of

GONE = b'{"title":"Gone","detail":"The cursor is too old."}'


def reject(sandbox: Sandbox, stream: str, number: int = 1, times: int = 2, **fault: Any) -> Fault:
    """Reject the request with which a stream follows its n-th cursor."""

    def strikes(request: Request) -> bool:
        cursor = request.param("cursor")
        sent = dict.fromkeys(r.param("cursor") for r in sandbox.pages(stream))
        sent.pop(None, None)
        return request.stream == stream and [*sent][number - 1 : number] == [cursor]

    rejection = Fault(**{"status": 410, "body": GONE, "times": times, **fault}, when=strikes)
    sandbox.faults.append(rejection)
    return rejection


def resumed_by_time(output: Output) -> int:
    return output.stderr.count(". Resuming by time")


def earlier(text: str, milliseconds: int) -> str:
    return moment(times.parse(text) - milliseconds)


# In the middle of a run


@pytest.mark.slow
@pytest.mark.parametrize("time_unit", ["seconds", "milliseconds"])
def test_in_the_middle_of_a_run(start: Start, tmp_path: Path, time_unit: str) -> None:
    """A page holds more than a day; while it is read, slowly, the one after is asked for."""
    sandbox = start(visits=250, time_unit=time_unit)
    for stream in STREAMS:
        reject(sandbox, stream)
        items = sandbox.world.items(stream)
        assert stream == "events" or items[99][ORDERS[stream]] - items[0][ORDERS[stream]] > DAY
    with launch(tmp_path, sandbox.config(page_size=100)) as process:
        lines = [line.decode() for line in lines_of(process, pause=0.02, every=100)]
        assert process.stderr is not None
        output = Output(0, "".join(lines), process.stderr.read().decode())
    assert resumed_by_time(output) == len(STREAMS)
    for stream in STREAMS:
        arrived = {record[KEYS[stream]] for record in output.records(stream)}
        assert arrived == {item[KEYS[stream]] for item in sandbox.world.items(stream)}


def test_what_is_exported_again(start: Start, tap: Tap) -> None:
    sandbox = start(visits=120)
    reject(sandbox, "events", 40)
    output = tap(sandbox.config(page_size=50))
    found = output.records("events")
    counts = Counter(record["id"] for record in found)
    assert counts.keys() == ids(sandbox.world.items("events"))
    assert found[2000]["timestamp"] >= earlier(found[1999]["timestamp"], DAY)
    assert max(counts.values()) == 2


@pytest.mark.parametrize("body", [b"<html>", b'{"title": "Origin not found", "type": "e/1016"}'])
def test_what_asks_to_wait(pipeline: Pipeline, pauses: list[float], body: bytes) -> None:
    """A 404 for a while says nothing of the cursor: it is asked again, or the state stays."""
    pipeline.run(page_size=50, max_records=50)
    before = pipeline.bookmark()
    pipeline.sandbox.faults = [Fault(status=404, body=body, headers={"Retry-After": "3600"})]
    output = pipeline.run(code=1)
    assert "The API asks to wait 3,600 s" in output.last_line
    assert pipeline.bookmark() == before
    pauses.clear()
    pipeline.sandbox.faults = [Fault(status=404, body=body, times=2, headers={"Retry-After": "30"})]
    assert resumed_by_time(pipeline.run()) == 0
    assert pauses == [30, 30]
    pipeline.assert_complete()


def test_what_asks_to_wait_for_ever(pipeline: Pipeline, pauses: list[float]) -> None:
    """Else no later run would get past the cursor."""
    state = pipeline.run(page_size=50, max_records=50).state
    old = state["bookmarks"]["events"]["cursor"]
    gone = Fault(status=410, body=GONE, headers={"Retry-After": "7"}, times=-1)
    pipeline.sandbox.faults = [replace(gone, when=lambda r: r.param("cursor") == old)]
    output = pipeline.run(max_retries=2)
    assert resumed_by_time(output) == 1
    assert pauses == [7, 7, 5, 7, 7]
    pipeline.assert_complete()


def test_once_a_run(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [
        Fault(status=400, times=-1, when=lambda request: request.param("cursor") is not None)
    ]
    output = tap(sandbox.config(page_size=50), code=1)
    assert resumed_by_time(output) == 1
    assert "events: The API no longer accepts the cursor: 400 Bad Request" in output.last_line
    says = "The request continued from a cursor, which may be what is rejected"
    assert says in output.last_line


# At the start of a run


@pytest.mark.parametrize(("status", "hours"), [(400, 0), (404, 24), (410, 5), (422, 24)])
def test_at_the_start(start: Start, tap: Tap, status: int, hours: int) -> None:
    sandbox = start(visits=50)
    pipeline = Pipeline(tap, sandbox)
    state = pipeline.run().state
    sandbox.world.visits(5)
    sandbox.faults = [
        Fault(status=status, times=-1, when=lambda r: "OLD" in str(r.param("cursor")))
    ]
    for stream in STREAMS:
        pipeline.bookmark(stream)["cursor"] = "OLD"
    output = pipeline.run(page_size=50, lookback_hours=hours)
    assert resumed_by_time(output) == 3
    for stream in STREAMS:
        since = earlier(state["bookmarks"][stream]["replication_key_value"], hours * 3_600_000)
        records = expected_records(sandbox.world, stream)
        wanted = [record for record in records if record[ORDERS[stream]] >= since]
        assert output.records(stream) == wanted
        assert len(wanted) < len(records)
        assert pipeline.bookmark(stream)["cursor"] != "OLD"


@pytest.mark.parametrize("start_date", [None, moment(BEGINNING + DAY // 4)])
def test_without_any_time_seen(pipeline: Pipeline, start_date: str | None) -> None:
    pipeline.state = {"bookmarks": {"events": {"cursor": "OLD"}}}
    pipeline.run(start_date=start_date)
    pipeline.assert_complete(start_date or "")


# One rejection proves nothing


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_single_rejection(pipeline: Pipeline, pauses: list[float], status: int) -> None:
    """Records that arrived late are behind the cursor, and before any lookback."""
    sandbox = pipeline.sandbox
    state = pipeline.run().state
    late = {**sandbox.world.items("events")[0], "id": "late", "timestamp": BEGINNING - 9 * DAY}
    sandbox.world.logs["events"].extend([late])
    fault = reject(sandbox, "events", times=1, status=status)
    output = pipeline.run()
    assert fault.seen == 1
    assert [record["id"] for record in output.records("events")] == ["late"]
    assert resumed_by_time(output) == 0
    cursors = [request.param("cursor") for request in sandbox.pages("events")]
    assert cursors[0] == cursors[1] == state["bookmarks"]["events"]["cursor"]
    assert pauses == [5]
    assert "Asking again in 5 s" in output.stderr


GATEWAYS = [
    # status and body, which is no problem document
    *((status, b"no healthy upstream") for status in (400, 401, 403, 404, 409, 410, 422, 423, 451)),
    (404, b""),
    (403, b"<html>403 Forbidden</html>"),
    (401, b'{"message":"no healthy upstream"}'),
    (410, b'["title"]'),
    (400, b"\xff\xfe"),
    (422, b'{"a":' + b"[" * 100_000),
]


@pytest.mark.parametrize(("status", "body"), GATEWAYS, ids=lambda value: str(value)[:30])
def test_a_gateway_that_answers_for_the_api(
    start: Start, tap: Tap, status: int, body: bytes
) -> None:
    sandbox = start(visits=5)
    fault = reject(sandbox, "events", status=status, body=body, times=3)
    output = tap(sandbox.config(page_size=100))
    assert_all(output, sandbox)
    assert fault.seen == 3
    assert resumed_by_time(output) == 0
    assert "Asking again" not in output.stderr
    assert output.stderr.count("; retry ") == 3


# When the request by time fails as well


@pytest.mark.parametrize("unit", ["auto", "milliseconds"])
@pytest.mark.parametrize(
    ("second", "says"),
    [(Fault(status=403), "403 Forbidden, Fault: Injected."), (Fault("hang", seconds=2), "in time")],
)
def test_both_failures_are_named(pipeline: Pipeline, unit: str, second: Fault, says: str) -> None:
    """Whether it is the question about the unit that fails, or the page."""
    sandbox = pipeline.sandbox
    state = pipeline.run().state
    reject(sandbox, "events")
    sandbox.faults.append(replace(second, when=lambda request: request.param("cursor") is None))
    output = pipeline.run(code=1, time_unit=unit, max_retries=0, request_timeout=1)
    line = output.last_line
    rejected = line.index("events: The API no longer accepts the cursor: 410 Gone")
    assert rejected < line.index("The cursor is too old.") < line.index(says)
    assert pipeline.bookmark() == state["bookmarks"]["events"]

    sandbox.faults.clear()
    sandbox.world.visits(1)
    assert 0 < pipeline.run().counts()["events"] < 200
