"""Transient trouble is retried; fatal trouble ends the run with a message that says what to do."""

from __future__ import annotations

import email.utils
import gc
import re
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dev.expected import STREAMS, expected_records
from dev.processes import wait_until
from dev.reliability import faults
from dev.sandbox import Fault
from dev.sandbox.faults import RETRIABLE
from tests.support.batches import batches, in_files

if TYPE_CHECKING:
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Request, Sandbox
    from tests.support.fixtures import Start, Tap


def second_page(request: Request) -> bool:
    return request.stream == "events" and request.param("cursor") is not None


def retries(output: Output) -> list[str]:
    return [line for line in output.stderr.splitlines() if "; retry " in line]


@pytest.mark.parametrize("fault", RETRIABLE.values(), ids=RETRIABLE.keys())
def test_transient_trouble_is_retried(sandbox: Sandbox, tap: Tap, fault: Fault) -> None:
    fault = replace(fault, when=second_page)
    sandbox.faults = [fault]
    output = tap(sandbox.config(page_size=200, request_timeout=2.5, max_retries=3))
    assert output.code == 0, output.stderr
    assert fault.seen == 1
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)
    (line,) = retries(output)
    assert re.search(r"events: .+; retry 1 of 3 in \d\.\d s", line)
    assert "Traceback" not in output.stderr


def test_a_body_cut_short_is_no_shorter_page(sandbox: Sandbox, tap: Tap) -> None:
    """Each page of a stream is cut once; every record still arrives."""
    sandbox.faults = [
        Fault("truncate", when=lambda request, n=n: len(sandbox.pages("users")) == n)  # type: ignore[misc]
        for n in (1, 3, 5)
    ]
    output = tap(sandbox.config(page_size=10))
    assert [fault.seen for fault in sandbox.faults] == [1, 1, 1]
    assert output.records("users") == expected_records(sandbox.world, "users")


@pytest.mark.slow
def test_an_export_through_many_faults() -> None:
    injected, records, wrong = faults(seed=5, rate=0.2)
    assert injected > 10
    assert records > 1000
    assert wrong == 0


@pytest.mark.parametrize("kind", ["reset", "truncate", "hang", "status"])
def test_no_thread_is_left_of_a_failed_request(sandbox: Sandbox, tap: Tap, kind: str) -> None:
    """The tap's own, and those of the sandbox: it has one for each open connection."""
    fault = Fault(kind, seconds=2, status=503, times=-1)
    fault.when = lambda request: len(sandbox.requests) % 2 == 0 and fault.seen < 3
    sandbox.faults = [fault]
    before = threading.active_count()
    output = tap(sandbox.config(page_size=100, request_timeout=1))
    assert output.code == 0, output.stderr
    assert fault.seen == 3
    gc.collect()  # failed requests keep their pool of connections until then, in urllib3
    wait_until("all threads have ended", lambda: threading.active_count() <= before, 20)


class TestPauses:
    """How long the tap waits before a retry."""

    def test_they_grow_up_to_a_minute(
        self, sandbox: Sandbox, tap: Tap, pauses: list[float]
    ) -> None:
        sandbox.faults = [Fault(status=503, times=-1)]
        output = tap(sandbox.config(max_retries=12))
        assert output.code == 1
        assert len(retries(output)) == len(pauses) == 12
        for number, pause in enumerate(pauses):
            full = min(2.0**number, 60.0)
            assert full / 2 <= pause <= full
        assert len({round(pause, 3) for pause in pauses[6:]}) > 1  # with jitter

    def test_a_connection_that_is_closed_when_it_is_used_again(
        self, sandbox: Sandbox, tap: Tap, pauses: list[float]
    ) -> None:
        """The first retry does not wait, the second one does."""
        sandbox.faults = [Fault("reset", times=2, when=second_page)]
        output = tap(sandbox.config(page_size=200))
        assert output.code == 0, output.stderr
        assert pauses[0] == 0
        assert pauses[1] >= 0.5

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize("after", ["10", " 10 ", "Mon, 23 Nov 2026 10:00:10 GMT"])
    def test_retry_after_is_followed(
        self, sandbox: Sandbox, tap: Tap, pauses: list[float], status: int, after: str
    ) -> None:
        headers = {"Retry-After": after, "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}
        sandbox.faults = [Fault(status=status, headers=headers)]
        output = tap(sandbox.config(max_records=1))
        assert output.code == 0
        assert pauses == [10]
        assert "; retry 1 of 10 in 10.0 s" in retries(output)[0]

    @pytest.mark.parametrize(
        "after",
        [
            *("-5", "5.5", "²", "soon", "0", ""),
            "Mon, 23 Nov 2026 09:00:00 GMT",  # before the answer was given
            "Mon, 23 Nov 0001 10:00:00 +2359",
            *("Mon, 99 Feb 2026 10:00:00 GMT", "Mon, 23 Nov 99999 10:00:00 GMT"),
            *("Mon, 23 Nov 2026 10:00:00 +9999999999", "Mon, 23 Nov 2026 10:61:00 GMT"),
        ],
    )
    def test_what_says_nothing(
        self, sandbox: Sandbox, tap: Tap, pauses: list[float], after: str
    ) -> None:
        headers = {"Retry-After": after, "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}
        headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
        sandbox.faults = [Fault(status=429, headers=headers)]
        assert tap(sandbox.config(max_records=1)).code == 0
        assert len(pauses) == 1
        assert 0.5 <= pauses[0] <= 1

    @pytest.mark.parametrize(
        "after",
        [
            *("601", "9" * 400, "9" * 10_000),
            "Mon, 23 Nov 2026 10:10:01 GMT",
            "Fri, 31 Dec 9999 23:59:59 -2359",
        ],
        ids=lambda after: after[:40],
    )
    def test_more_than_ten_minutes_is_too_long(
        self, sandbox: Sandbox, tap: Tap, after: str
    ) -> None:
        headers = {"Retry-After": after, "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}
        sandbox.faults = [Fault(status=429, headers=headers)]
        output = tap(sandbox.config())
        assert output.code == 1
        assert len(sandbox.requests) == 1
        assert re.search(r"events: 429 .*asks to wait [\d,]+ s, more than 600 s", output.last_line)

    @pytest.mark.parametrize("date", ["", "Mon, 99 Nov 2026 10:00:00 +9999999999"])
    def test_an_answer_without_a_possible_date(
        self, sandbox: Sandbox, tap: Tap, pauses: list[float], date: str
    ) -> None:
        """Then the tap's own clock counts."""
        after = email.utils.formatdate(time.time() + 100, usegmt=True)
        sandbox.faults = [Fault(status=429, headers={"Retry-After": after, "Date": date})]
        assert tap(sandbox.config(max_records=1)).code == 0
        assert 60 < pauses[0] <= 100


@pytest.mark.parametrize("limit", [0, 2])
def test_retries_run_out(sandbox: Sandbox, tap: Tap, limit: int) -> None:
    sandbox.faults = [Fault(status=503, times=-1, when=second_page)]
    output = tap(sandbox.config(page_size=50, max_retries=limit))
    assert output.code == 1
    assert len(retries(output)) == limit
    assert sandbox.faults[0].seen == limit + 1
    assert "events: 503 Service Unavailable, Fault: Injected." in output.last_line
    assert ("(after 2 retries)" in output.last_line) == bool(limit)
    assert "Traceback" not in output.stderr
    assert output.counts()["events"] == 50
    again = tap(sandbox.config(max_retries=0), state=output.state)
    assert again.code == 1  # it resumes with the failing page
    assert again.counts()["events"] == 0


def test_a_refused_connection(tap: Tap) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    output = tap({"api_key": "k", "api_url": url, "max_retries": 1})
    assert output.code == 1
    assert len(retries(output)) == 1
    assert "events: the connection to 127.0.0.1:" in output.last_line
    assert " failed: Connection refused (after 1 retry)" in output.last_line


FATAL = [
    # status, body, what the message must say
    (400, None, ["Bad Request", "Check `start_date`"]),
    (401, None, ["Unauthorized", "Check `api_key`"]),
    (403, None, ["Forbidden", "what `api_key` is allowed to do"]),
    (404, None, ["Not Found", "at 127.0.0.1:", "Check `api_url`"]),
    (409, None, ["Conflict", "Please report this"]),
    (423, None, ["Locked", "monthly quota"]),
    (202, None, ["Accepted", "suspended", "it has no `items`"]),
    (202, b"", ["202"]),
    (204, b"", ["204"]),
    (200, b"{}", ["200 OK", "it has no `items`"]),
    (200, b"[]", ["it is not an object"]),
    (200, b"null", ["it is not an object"]),
    (200, b'{"items":null}', ["its `items` are not a list of objects"]),
    (200, b'{"items":{}}', ["its `items` are not a list of objects"]),
    (200, b'{"items":[{},5]}', ["its `items` are not a list of objects"]),
    (200, b'{"items":["x"]}', ["its `items` are not a list of objects"]),
    (200, b'{"items":[],"nextCursor":5}', ["its `nextCursor` is not text, but 5"]),
    (499, None, ["499"]),
]


@pytest.mark.parametrize(("status", "body", "says"), FATAL, ids=lambda value: str(value)[:30])
def test_fatal_trouble_stops_the_run(
    sandbox: Sandbox, tap: Tap, status: int, body: bytes | None, says: list[str]
) -> None:
    sandbox.faults = [
        Fault(status=status, body=body, times=-1, when=lambda request: request.stream == "sessions")
    ]
    output = tap(sandbox.config())
    assert output.code == 1
    assert output.last_line.split(" | ", 3)[-1].strip().startswith("sessions: ")
    assert str(status) in output.last_line
    for text in says:
        assert text in output.last_line
    if body is None:
        for text in ("Fault", "Injected.", "https://croct.help/sdk/export/fault"):
            assert text in output.last_line
    assert "Traceback" not in output.stderr
    assert retries(output) == []
    assert len(sandbox.pages("sessions")) == 1
    assert output.records("events") == expected_records(sandbox.world, "events")
    assert output.state["bookmarks"]["events"]["cursor"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
def test_a_redirect_is_not_followed(sandbox: Sandbox, start: Start, tap: Tap, status: int) -> None:
    elsewhere = start(visits=1)
    location = f"{elsewhere.url}/events"
    sandbox.faults = [Fault(status=status, headers={"Location": location}, body=b"")]
    output = tap(sandbox.config())
    assert output.code == 1
    assert elsewhere.requests == []
    assert f"{status} " in output.last_line
    assert "Check `api_url`" in output.last_line
    assert f"{sandbox.url.split('/')[2]} points to {location}" in output.last_line


@pytest.mark.parametrize("files", [False, True])
def test_everything_before_the_failing_page_is_out(
    sandbox: Sandbox,
    tap: Tap,
    tmp_path: Path,
    files: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    settings = batches(tmp_path) if files else {}
    sandbox.faults = [
        Fault(status=401, times=-1, when=lambda request: len(sandbox.pages("events")) > 3)
    ]
    output = tap(sandbox.config(page_size=50, **settings))
    assert output.code == 1
    records = in_files(output, "events") if files else output.records("events")
    assert records == expected_records(sandbox.world, "events")[:150]
    sandbox.faults.clear()
    rest = tap(sandbox.config(page_size=50), state=output.state)
    assert rest.records("events") == expected_records(sandbox.world, "events")[150:]
