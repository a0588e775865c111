"""The time of the bookmark, and what happens where there is no cursor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import KEYS, STREAMS, expected_records, moment
from dev.sandbox import Fault
from dev.sandbox.world import BEGINNING, DAY

if TYPE_CHECKING:
    from dev.sandbox import Sandbox
    from tests.support.fixtures import Start, Tap

HOUR = 3_600_000


def event(sandbox: Sandbox, name: str, ms: int) -> dict[str, Any]:
    return {**sandbox.world.items("events")[0], "id": name, "timestamp": ms}


def reject_all_cursors(sandbox: Sandbox) -> None:
    sandbox.faults = [
        Fault(
            status=410,
            times=2,
            when=lambda request: request.stream == "events" and request.param("cursor") is not None,
        )
    ]


class TestAWrongClock:
    """One event is dated 30 days ahead."""

    @pytest.mark.parametrize("when", ["in the first run", "in the state of 0.1.0"])
    def test_nothing_is_skipped_later(self, start: Start, tap: Tap, when: str) -> None:
        sandbox = start(visits=100)
        ahead = int(time.time() * 1000) + 30 * DAY
        if when == "in the first run":
            sandbox.world.logs["events"].extend([event(sandbox, "ahead", ahead)])
        first = tap(sandbox.config())
        state = first.state
        if when == "in the state of 0.1.0":
            bookmark = state["bookmarks"]["events"]
            bookmark["replication_key_value"] = moment(ahead)
            del bookmark["scope"]
        sandbox.world.visits(60)  # a gap of days, long before now
        second = tap(sandbox.config(max_records=1, page_size=20), state=state)
        reject_all_cursors(sandbox)
        third = tap(sandbox.config(), state=second.state)
        assert third.code == 0, third.stderr
        assert ". Resuming " in third.stderr
        arrived = {
            record["id"] for output in (first, second, third) for record in output.records("events")
        }
        assert arrived == {item["id"] for item in sandbox.world.items("events")}

    def test_what_is_stored(self, sandbox: Sandbox, tap: Tap) -> None:
        latest = sandbox.world.items("events")[-1]["timestamp"]
        now = int(time.time() * 1000)
        for number, ms in enumerate((now + 60_000, now + 30 * DAY, 253_402_300_799_999)):
            sandbox.world.logs["events"].extend([event(sandbox, str(number), ms)])
        state = tap(sandbox.config(page_size=100)).state
        assert state["bookmarks"]["events"]["replication_key_value"] == moment(latest)
        del sandbox.world.logs["events"].entries[:-1]  # nothing but the future
        state = tap(sandbox.config()).state
        assert state["bookmarks"]["events"].keys() == {"cursor", "scope"}

    def test_a_state_with_a_future_time_and_no_cursor(self, sandbox: Sandbox, tap: Tap) -> None:
        state = {"bookmarks": {"events": {"replication_key_value": "2999-01-01T00:00:00Z"}}}
        output = tap(sandbox.config(), state=state)
        assert output.records("events") == expected_records(sandbox.world, "events")
        assert "has a time in the future (2999-01-01T00:00:00.000Z)" in output.warnings[0]


@pytest.mark.parametrize("end", ["null", "empty"])
class TestWithoutACursor:
    """An export that fits one page: the API gives no cursor at its end."""

    def test_late_records_and_more_than_a_page(self, start: Start, tap: Tap, end: str) -> None:
        sandbox = start(visits=2, end=end)
        config = sandbox.config(page_size=200)
        state: dict[str, Any] = {}
        arrived: dict[str, set[str]] = {stream: set() for stream in STREAMS}
        for run in range(9):
            output = tap(config, state=state)
            state = output.state
            for stream in STREAMS:
                records = output.records(stream)
                arrived[stream] |= {record[KEYS[stream]] for record in records}
                assert len(records) <= 400  # the last page again, and what is new
                wanted = {item[KEYS[stream]] for item in sandbox.world.items(stream)}
                assert arrived[stream] == wanted
            if run < 2:  # it still fits
                assert state["bookmarks"] == {stream: {} for stream in STREAMS}
            late = event(sandbox, f"late {run}", BEGINNING - run * DAY)
            sandbox.world.logs["events"].extend([late])
            sandbox.world.visits(4 if run else 1)
        assert state["bookmarks"]["events"]["cursor"]
        assert state["bookmarks"]["users"] == {}

    def test_the_last_cursor_is_kept(self, start: Start, tap: Tap, end: str) -> None:
        sandbox = start(end=end)
        state = tap(sandbox.config(page_size=300)).state
        cursor = sandbox.pages("events")[-1].param("cursor")
        assert cursor
        assert state["bookmarks"]["events"]["cursor"] == cursor
        sandbox.requests.clear()
        again = tap(sandbox.config(page_size=300), state=state)
        assert [r.param("cursor") for r in sandbox.pages("events")] == [cursor]
        events = expected_records(sandbox.world, "events")
        assert again.records("events") == events[-(len(events) % 300) :]
        assert again.state == state

    def test_by_time(self, start: Start, tap: Tap, end: str) -> None:
        """The time of a state of 0.1.0 stays where it is, as long as there is no cursor."""
        sandbox = start(visits=100, end=end)
        seen = sandbox.world.items("events")[-1]["timestamp"]
        given = {"replication_key": "timestamp", "replication_key_value": moment(seen)}
        state = {"bookmarks": {"events": given}}
        config = sandbox.config(time_unit="milliseconds", lookback_hours=1)
        for _ in range(2):
            sandbox.requests.clear()
            state = tap(config, state=state).state
            sandbox.world.visits(1)
            assert sandbox.pages("events")[0].param("start") == str(seen - HOUR)
            assert state["bookmarks"]["events"] == given

    def test_a_rejected_cursor(self, start: Start, tap: Tap, end: str) -> None:
        """The time is that of the cursor, until there is another one."""
        sandbox = start(visits=60, end=end)
        state = tap(sandbox.config(page_size=100)).state
        before = state["bookmarks"]["events"]
        reject_all_cursors(sandbox)
        sandbox.world.visits(3)
        after = tap(sandbox.config(lookback_hours=1), state=state).state["bookmarks"]["events"]
        assert "cursor" not in after
        assert after["replication_key_value"] == before["replication_key_value"]
