"""Transient trouble is retried; final trouble ends the run with a message that says what to do."""

from __future__ import annotations

import email.utils
import gc
import re
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import STREAMS, expected_records
from dev.processes import wait_until
from dev.sandbox import Fault
from dev.sandbox.faults import RETRIABLE
from tap_croct.decode import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output
    from dev.sandbox import Request, Sandbox

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]


def second_page(request: Request) -> bool:
    return request.stream == "events" and request.param("cursor") is not None


def retries(output: Output) -> list[str]:
    return [line for line in output.stderr.splitlines() if "; retry " in line]


@pytest.mark.slow
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


def test_a_connection_that_is_closed_when_it_is_used_again(sandbox: Sandbox, tap: Tap) -> None:
    """The first retry does not wait, the second one does."""
    sandbox.faults = [Fault("reset", times=2, when=second_page)]
    output = tap(sandbox.config(page_size=200))
    assert output.code == 0, output.stderr
    assert output.records("events") == expected_records(sandbox.world, "events")
    first, second = (line.rsplit(" in ", 1)[1] for line in retries(output))
    assert first == "0.0 s"
    assert second >= "0.9 s"


@pytest.mark.parametrize("kind", ["reset", "truncate", "hang", "status"])
def test_nothing_is_kept_of_a_failed_request(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Without waiting for the garbage collector: pages are large, and it looks at objects' number."""
    monkeypatch.setattr("tap_croct.client.LONGEST_PAUSE", 0.001)
    fault = Fault(kind, seconds=2, status=503, times=-1)
    fault.when = lambda request: len(sandbox.requests) % 2 == 0 and fault.seen < 6
    sandbox.faults = [fault]
    gc.collect()
    gc.disable()
    try:
        before = threading.active_count()
        output = tap(sandbox.config(page_size=100, request_timeout=1))
        assert output.code == 0, output.stderr
        assert fault.seen == 6
        # The threads of the tap, and those of the sandbox: it has one for each open connection.
        assert not [o for o in gc.get_objects() if isinstance(o, Page)]
        gc.collect()  # failed requests keep their pool of connections until then, in urllib3
        # The threads of the tap, and those of the sandbox: it has one for each open connection.
        wait_until("all threads have ended", lambda: threading.active_count() <= before, 20)
    finally:
        gc.enable()


def test_lengths_that_disagree(sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    """`requests` has an error of its own for a response that no HTTP library can frame."""
    monkeypatch.setattr("random.uniform", lambda *_: 0.01)
    body = b'{"items":[]}'
    headers = {"Content-Length": f"{len(body)}, {len(body) + 1}"}
    sandbox.faults = [Fault(status=200, body=body, headers=headers, when=second_page)]
    output = tap(sandbox.config(page_size=200))
    assert output.code == 0, output.stderr
    assert len(retries(output)) == 1
    assert output.records("events") == expected_records(sandbox.world, "events")


@pytest.mark.slow
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
def test_retries_run_out(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [Fault(status=503, times=-1, when=second_page)]
    output = tap(sandbox.config(page_size=50, max_retries=2))
    assert output.code == 1
    assert len(retries(output)) == 2
    assert sandbox.faults[0].seen == 3
    assert "events: 503 Service Unavailable, Fault: Injected." in output.last_line
    assert "(after 2 retries)" in output.last_line
    assert "Traceback" not in output.stderr
    assert output.counts()["events"] == 50
    again = tap(sandbox.config(max_retries=0), state=output.state)
    assert again.code == 1  # it resumes with the failing page
    assert again.counts()["events"] == 0


def test_no_retries(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [Fault(status=503)]
    output = tap(sandbox.config(max_retries=0))
    assert output.code == 1
    assert retries(output) == []


def test_a_refused_connection(tap: Tap) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    output = tap({"api_key": "k", "api_url": url, "max_retries": 1})
    assert output.code == 1
    assert len(retries(output)) == 1
    assert "events: the connection to 127.0.0.1:" in output.last_line
    assert " failed: Connection refused (after 1 retry)" in output.last_line


class TestRetryAfter:
    """It is followed, in seconds and as a date, up to ten minutes."""

    @pytest.mark.slow
    @pytest.mark.parametrize("form", ["seconds", "date"])
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_is_followed(self, sandbox: Sandbox, tap: Tap, form: str, status: int) -> None:
        date, clocks = int(time.time()) + 3, time.time() - time.monotonic()
        after = "2" if form == "seconds" else email.utils.formatdate(date, usegmt=True)
        sandbox.faults = [Fault(status=status, headers={"Retry-After": after})]
        output = tap(sandbox.config())
        assert output.code == 0
        first, second = sandbox.pages("events")[:2]
        (line,) = retries(output)
        (pause,) = re.findall(r"; retry 1 of \d+ in (\d\.\d) s", line)
        if form == "seconds":
            assert pause == "2.0"
            assert second.time - first.time >= 2
        else:
            assert float(pause) <= 3
            assert second.time + clocks >= date

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_more_than_ten_minutes_is_too_long(self, sandbox: Sandbox, tap: Tap, form: str) -> None:
        after = (
            "601" if form == "seconds" else email.utils.formatdate(time.time() + 900, usegmt=True)
        )
        sandbox.faults = [Fault(status=429, headers={"Retry-After": after})]
        output = tap(sandbox.config())
        assert output.code == 1
        assert len(sandbox.requests) == 1
        assert re.search(r"events: 429 .*asks to wait \d+ s, more than 600 s", output.last_line)


FINAL = [
    # status, body, what the message must say
    (400, None, ["Bad Request", "Check `start_date`"]),
    (401, None, ["Unauthorized", "Check `api_key`"]),
    (403, None, ["Forbidden", "what `api_key` is allowed to do"]),
    (404, None, ["Not Found", "Check `api_url`"]),
    (409, None, ["Conflict", "report"]),
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


@pytest.mark.parametrize(("status", "body", "says"), FINAL, ids=lambda value: str(value)[:30])
def test_final_trouble_stops_the_run(
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


@pytest.mark.parametrize("detail", ["detail", "details"])
def test_both_forms_of_problem_details(sandbox: Sandbox, tap: Tap, detail: str) -> None:
    body = f'{{"title":"Nope","{detail}":"first\\nsecond","type":"https://x.example/why"}}'
    sandbox.faults = [Fault(status=403, body=body.encode())]
    line = tap(sandbox.config()).last_line
    assert "403 Forbidden, Nope: first second (https://x.example/why)" in line


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_not_followed(sandbox: Sandbox, start: Start, tap: Tap, status: int) -> None:
    elsewhere = start(visits=1)
    location = f"{elsewhere.url}/events"
    sandbox.faults = [Fault(status=status, headers={"Location": location}, body=b"")]
    output = tap(sandbox.config())
    assert output.code == 1
    assert elsewhere.requests == []
    assert f"{status} " in output.last_line
    assert "Check `api_url`" in output.last_line
    assert location in output.last_line


def test_everything_before_the_failing_page_is_out(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [
        Fault(status=401, times=-1, when=lambda request: len(sandbox.pages("events")) > 3)
    ]
    output = tap(sandbox.config(page_size=50))
    assert output.code == 1
    assert output.records("events") == expected_records(sandbox.world, "events")[:150]
    sandbox.faults.clear()
    rest = tap(sandbox.config(page_size=50), state=output.state)
    assert rest.records("events") == expected_records(sandbox.world, "events")[150:]


def test_so_it_is_with_batch_files(sandbox: Sandbox, tap: Tap, tmp_path: Any) -> None:
    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
    }
    sandbox.faults = [
        Fault(status=401, times=-1, when=lambda request: len(sandbox.pages("events")) > 3)
    ]
    output = tap(sandbox.config(page_size=50, batch_config=batch))
    assert output.code == 1
    (message,) = output.of("BATCH")
    assert len(message["manifest"]) == 1
    sandbox.faults.clear()
    rest = tap(sandbox.config(page_size=50), state=output.state)
    assert rest.records("events") == expected_records(sandbox.world, "events")[150:]


@pytest.mark.slow
def test_an_export_through_many_faults() -> None:
    from dev.reliability import faults

    injected, records, wrong = faults(seed=5, rate=0.2)
    assert injected > 10
    assert records > 1000
    assert wrong == 0
