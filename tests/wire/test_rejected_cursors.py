"""A cursor that the API rejects costs nothing: the run confirms it, and resumes by time."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pytest

from dev.expected import KEYS, ORDERS, STREAMS, count_by_key, expected_records, moment
from dev.running import TAP, clean_environment, write
from dev.sandbox import Fault
from dev.sandbox.world import BEGINNING, DAY
from tap_croct import export, messages
from tests.support.catalogs import catalog_of, select

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output
    from dev.sandbox import Request, Sandbox

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]

GONE = b'{"title":"Gone","detail":"The cursor is too old."}'


def reject(sandbox: Sandbox, stream: str, number: int = 1, times: int = 2, **fault: Any) -> Fault:
    """Reject the request with which a stream follows its n-th cursor."""

    def strikes(request: Request) -> bool:
        cursors = [r.param("cursor") for r in sandbox.pages(stream) if r.param("cursor")]
        mine = request.stream == stream and request.param("cursor")
        return bool(mine) and list(dict.fromkeys(cursors)).index(request.param("cursor")) + 1 == (
            number
        )

    fault = {"status": 410, "body": GONE, **fault}
    sandbox.faults.append(Fault(times=times, when=strikes, **fault))
    return sandbox.faults[-1]


def resumed_by_time(output: Output) -> int:
    return output.stderr.count(". Resuming by time")


# In the middle of a run

PATHS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mapped": {"stream_maps": {s: {"added": "'x'"} for s in STREAMS}},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 3},
    "selected": {},
    "batch": {},
}


def settings(path: str, folder: Path) -> dict[str, Any]:
    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": folder.as_uri()},
        "batch_size": 150,
    }
    return {**PATHS[path], **({"batch_config": batch} if path == "batch" else {})}


def selection(path: str, folder: Path) -> dict[str, Any] | None:
    if path != "selected":
        return None
    catalog = catalog_of(folder)
    for stream, name in (("events", "context"), ("sessions", "referrer"), ("users", "phone")):
        select(catalog, stream, selected=True)
        select(catalog, stream, name, selected=False)
    return catalog


def records(output: Output, stream: str) -> list[dict[str, Any]]:
    found = output.records(stream)
    for message in output.of("BATCH"):
        for url in message["manifest"] if message["stream"] == stream else ():
            lines = gzip.decompress(Path(urlparse(url).path).read_bytes()).splitlines()
            found += [json.loads(line) for line in lines]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("time_unit", ["seconds", "milliseconds"])
def test_in_the_middle_of_a_run(  # noqa: PLR0913, PLR0917 - fixtures
    start: Start,
    tap: Tap,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    time_unit: str,
) -> None:
    """A page holds more than a day; while it is written, slowly, the one after is asked for."""

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def late(*args: Any, **options: Any) -> Any:
            time.sleep(0.02)
            return function(*args, **options)

        return late

    monkeypatch.setattr(
        messages.MessageWriter, "write_records", slow(messages.MessageWriter.write_records)
    )
    monkeypatch.setattr(messages.BatchFiles, "add", slow(messages.BatchFiles.add))
    monkeypatch.setattr(messages.BatchFiles, "__init__", slow(messages.BatchFiles.__init__))
    sandbox = start(visits=250, time_unit=time_unit)
    for stream in STREAMS:
        reject(sandbox, stream)
    output = tap(
        sandbox.config(
            page_size=100,
            **settings(path, tmp_path),
        ),
        catalog=selection(path, tmp_path),
    )
    assert output.code == 0, output.stderr
    assert resumed_by_time(output) == 3
    for stream in STREAMS:
        log = sandbox.world.items(stream)
        arrived = {record[KEYS[stream]] for record in records(output, stream)}
        assert arrived == {item[KEYS[stream]] for item in log}
    spans = [
        items[99][ORDERS[stream]] - items[0][ORDERS[stream]]
        for stream in ("sessions", "users")
        if (items := sandbox.world.items(stream))
    ]
    assert min(spans) > DAY


@pytest.mark.slow
def test_in_the_middle_of_a_process(start: Start, tmp_path: Path) -> None:
    """The same through a pipe that is read slowly, as a target does."""
    sandbox = start(visits=250, time_unit="seconds")
    for stream in STREAMS:
        reject(sandbox, stream)
    command = [*TAP, "--config", write(tmp_path / "config.json", sandbox.config(page_size=100))]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()
    )
    found: dict[str, set[str]] = {stream: set() for stream in STREAMS}
    assert process.stdout is not None
    for number, line in enumerate(process.stdout):
        message = json.loads(line)
        if message["type"] == "RECORD":
            found[message["stream"]].add(message["record"][KEYS[message["stream"]]])
        if number % 100 == 0:
            time.sleep(0.005)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    for stream in STREAMS:
        assert found[stream] == {item[KEYS[stream]] for item in sandbox.world.items(stream)}


def test_what_is_exported_again(start: Start, tap: Tap) -> None:
    sandbox = start(visits=120)
    reject(sandbox, "events", 40)
    output = tap(sandbox.config(page_size=50))
    assert output.code == 0, output.stderr
    found = output.records("events")
    counts = count_by_key("events", found)
    assert counts.keys() == {item["id"] for item in sandbox.world.items("events")}
    assert found[2000]["timestamp"] >= earlier(found[1999]["timestamp"], DAY)
    assert max(counts.values()) == 2


# At the start of a run


def earlier(text: str, milliseconds: int) -> str:
    from tap_croct import times

    return moment(times.parse(text) - milliseconds)


@pytest.mark.parametrize(
    "status", [400, *(pytest.param(status, marks=pytest.mark.slow) for status in (404, 410, 422))]
)
@pytest.mark.parametrize("hours", [0, 5, 24])
def test_at_the_start(start: Start, tap: Tap, status: int, hours: int) -> None:
    sandbox = start(visits=70)
    state = tap(sandbox.config()).state
    sandbox.world.visits(5)
    sandbox.faults = [
        Fault(status=status, times=-1, when=lambda r: "OLD" in str(r.param("cursor")))
    ]
    for bookmark in state["bookmarks"].values():
        bookmark["cursor"] = "OLD"
    output = tap(sandbox.config(page_size=50, lookback_hours=hours), state=state)
    assert output.code == 0, output.stderr
    assert resumed_by_time(output) == 3
    for stream in STREAMS:
        since = state["bookmarks"][stream]["replication_key_value"]
        from_here = earlier(since, hours * 3_600_000)
        wanted = [
            record
            for record in expected_records(sandbox.world, stream)
            if record[ORDERS[stream]] >= from_here
        ]
        assert output.records(stream) == wanted
        assert len(wanted) < len(sandbox.world.items(stream))
        assert output.state["bookmarks"][stream]["cursor"] != "OLD"


@pytest.mark.parametrize("start_date", [None, moment(BEGINNING + DAY // 4)])
def test_without_any_time_seen(sandbox: Sandbox, tap: Tap, start_date: str | None) -> None:
    state = {"bookmarks": {"events": {"cursor": "OLD"}}}
    output = tap(sandbox.config(start_date=start_date), state=state)
    assert output.code == 0, output.stderr
    assert output.records("events") == [
        record
        for record in expected_records(sandbox.world, "events")
        if record["timestamp"] >= (start_date or "")
    ]


def test_once_a_run(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [
        Fault(status=400, times=-1, when=lambda r: r.param("cursor") and r.stream == "events")  # type: ignore[arg-type,return-value]
    ]
    output = tap(sandbox.config(page_size=50))
    assert output.code == 1
    assert resumed_by_time(output) == 1
    assert "events: 400 Bad Request" in output.last_line


@pytest.mark.parametrize(("limit", "standstill"), [(100, True), (100_000, False)])
def test_more_records_in_the_lookback_than_a_run_may_export(
    start: Start, tap: Tap, limit: int, *, standstill: bool
) -> None:
    """With cursors that expire between two runs, none of them would come to anything new."""
    sandbox = start(visits=30)
    state = tap(sandbox.config()).state
    sandbox.world.visits(5)
    config = sandbox.config(page_size=50, max_records=limit)
    found: set[str] = set()
    for _ in range(2):
        sandbox.requests.clear()
        reject(sandbox, "events")
        output = tap(config, state=state)
        assert output.code == 0, output.stderr
        state = output.state
        found |= {record["id"] for record in output.records("events")}
    newest = sandbox.world.items("events")[-1]["id"]
    assert (newest not in found) == standstill


# One rejection proves nothing


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_single_rejection(sandbox: Sandbox, tap: Tap, status: int) -> None:
    """Records that arrived late are behind the cursor, and before any lookback."""
    state = tap(sandbox.config()).state
    late = {**sandbox.world.items("events")[0], "id": "late", "timestamp": BEGINNING - 9 * DAY}
    sandbox.world.logs["events"].extend([late])
    fault = reject(sandbox, "events", times=1, status=status)
    sandbox.requests.clear()
    output = tap(sandbox.config(), state=state)
    assert output.code == 0, output.stderr
    assert fault.seen == 1
    assert [record["id"] for record in output.records("events")] == ["late"]
    assert resumed_by_time(output) == 0
    cursors = [request.param("cursor") for request in sandbox.pages("events")]
    assert cursors[0] == cursors[1] == state["bookmarks"]["events"]["cursor"]


def test_a_pause_before_it_is_confirmed(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CONFIRM_AFTER", 0.6)
    reject(sandbox, "events", times=1)
    output = tap(sandbox.config(page_size=200))
    first, second = sandbox.pages("events")[1:3]
    assert 0.6 <= second.time - first.time < 5
    assert "Asking again in 1 s" in output.stderr


def test_the_pause_is_long_enough_for_a_hiccup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert export.CONFIRM_AFTER >= 2


@pytest.mark.parametrize(
    "body",
    [
        b"no healthy upstream",
        b"",
        b"<html>400 Bad Request</html>",
        b'{"message":"no healthy upstream"}',
        b'["title"]',
        b'"title"',
        b"\xff\xfe",
        b'{"a":' + b"[" * 100_000,
    ],
    ids=lambda body: body[:20].decode(errors="replace"),
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 423, 451])
def test_a_gateway_that_answers_for_the_api(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)
    fault = reject(sandbox, "events", status=status, body=body, times=3)
    output = tap(sandbox.config(page_size=200))
    assert output.code == 0, output.stderr
    assert fault.seen == 3
    assert resumed_by_time(output) == 0
    assert "Asking again" not in output.stderr
    assert output.stderr.count("; retry ") == 3
    assert output.records("events") == expected_records(sandbox.world, "events")


@pytest.mark.parametrize("status", [401, 403, 409, 423])
@pytest.mark.parametrize("body", [b'{"title":"x"}', b'{"type":"https://x.example"}'])
def test_a_problem_of_the_api_is_fatal_at_once(
    sandbox: Sandbox, tap: Tap, status: int, body: bytes
) -> None:
    fault = reject(sandbox, "events", status=status, body=body)
    output = tap(sandbox.config(page_size=200))
    assert output.code == 1
    assert fault.seen == 1
    assert f"events: {status} " in output.last_line


# When the request by time fails as well


@pytest.mark.parametrize("which", ["page", "probe"])
@pytest.mark.parametrize(
    ("second", "says"),
    [
        (Fault(status=403, times=-1), "403 Forbidden, Fault: Injected."),
        (Fault("hang", seconds=4, times=-1), "in time"),
    ],
)
def test_both_failures_are_named(
    sandbox: Sandbox, tap: Tap, which: str, second: Fault, says: str
) -> None:
    state = tap(sandbox.config()).state
    reject(sandbox, "events")
    second.seen = 0
    second.when = lambda request: request.param("cursor") is None
    sandbox.faults.append(second)
    sandbox.requests.clear()
    unit = "auto" if which == "probe" else "milliseconds"
    config = sandbox.config(time_unit=unit, max_retries=0, request_timeout=2.5)
    output = tap(config, state=state)
    assert output.code == 1
    line = output.last_line
    rejected = line.index("events: The API no longer accepts the cursor: 410 Gone")
    assert rejected < line.index("The cursor is too old.") < line.index(says)
    left = output.state or state
    assert left["bookmarks"]["events"] == state["bookmarks"]["events"]

    sandbox.faults.clear()
    sandbox.world.visits(1)
    again = tap(sandbox.config(), state=left)
    assert again.code == 0
    assert 0 < again.counts()["events"] < 200


def test_a_question_about_the_unit_is_asked_twice(start: Start, tap: Tap) -> None:
    """One bad answer would make it seconds, and the export empty."""
    sandbox = start()
    sandbox.faults = [Fault(status=400, when=lambda r: r.param("start") == "1420070400000")]
    output = tap(sandbox.config(start_date="2026-01-01", end_date="2026-03-01"))
    assert output.code == 0, output.stderr
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)


def test_a_unit_that_is_not_the_reason_of_a_rejection(start: Start, tap: Tap) -> None:
    """As an API may that keeps records for some years only."""
    sandbox = start()
    sandbox.faults = [
        Fault(status=400, times=-1, when=lambda r: r.param("start") == "1420070400000")
    ]
    output = tap(sandbox.config(start_date="2026-01-01", end_date="2026-03-01"))
    assert output.code == 0, output.stderr
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)


@pytest.mark.parametrize("bounds", [{"end_date": "2026-03-01"}, {"start_date": "2026-01-01"}])
@pytest.mark.parametrize(
    ("wrong", "right"), [("seconds", "milliseconds"), ("milliseconds", "seconds")]
)
def test_a_wrong_unit_that_is_corrected(
    start: Start, tap: Tap, wrong: str, right: str, bounds: dict[str, str]
) -> None:
    sandbox = start(time_unit=right)
    first = tap(sandbox.config(time_unit=wrong, **bounds))
    assert first.code == 0
    second = tap(sandbox.config(time_unit=right, **bounds), state=first.state)
    assert second.code == 0
    for stream in STREAMS:
        arrived = first.records(stream) or second.records(stream)
        assert arrived == expected_records(sandbox.world, stream)
