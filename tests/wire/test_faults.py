"""Transient trouble is retried; fatal trouble ends the run with a message that says what to do."""

import email.utils
import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dev.expected import STREAMS, expected_records
from dev.running import Output
from dev.sandbox import Fault, Request, Sandbox
from dev.sandbox.api import PROBLEMS
from dev.sandbox.faults import RETRIABLE
from tests.support.between import Between
from tests.support.fixtures import Start, Tap
from tests.support.runs import Pipeline, assert_all, batches, fail_from, in_files, serve


def second_page(request: Request) -> bool:
    return request.stream == "events" and request.param("cursor") is not None


def retries(output: Output) -> list[str]:
    return [line for line in output.stderr.splitlines() if "; retry " in line]


@pytest.mark.parametrize("fault", RETRIABLE.values(), ids=RETRIABLE.keys())
def test_transient_trouble_is_retried(sandbox: Sandbox, tap: Tap, fault: Fault) -> None:
    fault = replace(fault, when=second_page, seconds=fault.seconds / 5)
    sandbox.faults = [fault]
    output = tap(sandbox.config(page_size=200, request_timeout=0.5, max_retries=3))
    assert_all(output, sandbox)
    assert fault.seen == 1
    (line,) = retries(output)
    assert re.search(r"events: .+; retry 1 of 3 in \d\.\d s", line)
    assert ": ('" not in line  # as errors of `urllib3` print
    assert ("check `api_url` and proxies" in line) is (
        fault.status == 200 and fault.body != b"not gzip"
    )
    assert fault.kind == "status" or sandbox.url.split("/")[2] in line


# How long the tap waits before a retry


def test_pauses_grow_up_to_a_minute(sandbox: Sandbox, tap: Tap, pauses: list[float]) -> None:
    sandbox.faults = [Fault(status=503, times=-1)]
    output = tap(sandbox.config(max_retries=12), code=1)
    assert len(retries(output)) == len(pauses) == 12
    for number, pause in enumerate(pauses):
        full = min(2.0**number, 60.0)
        assert full / 2 <= pause <= full
    assert len({round(pause, 3) for pause in pauses[6:]}) > 1  # with jitter


def test_a_connection_that_is_closed_when_it_is_used_again(
    sandbox: Sandbox, tap: Tap, pauses: list[float]
) -> None:
    """The first retry does not wait, the second one does."""
    sandbox.faults = [Fault("reset", times=2, when=second_page)]
    tap(sandbox.config(page_size=200))
    assert pauses[0] == 0
    assert pauses[1] >= 0.5


USUAL = (0.5, 1.0)
RETRY_AFTER: dict[str, tuple[float, float]] = {
    # the header, and how long the pause may be
    **dict.fromkeys(["10", " 10 ", "Mon, 23 Nov 2026 10:00:10 GMT"], (10, 10)),
    **dict.fromkeys(["-5", "5.5", "\xc2\xb2", "soon", "0", ""], USUAL),
    "Mon, 23 Nov 2026 09:00:00 GMT": USUAL,  # before the answer was given
    "Mon, 23 Nov 2026 10:00:00 +9999999999": USUAL,
}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", RETRY_AFTER)
def test_retry_after(start: Start, tap: Tap, pauses: list[float], status: int, after: str) -> None:
    """What says nothing is as if it were not there."""
    headers = {"Retry-After": after, "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}
    sandbox = start(visits=1)
    sandbox.faults = [Fault(status=status, headers=headers)]
    output = tap(sandbox.config())
    (pause,) = pauses
    shortest, longest = RETRY_AFTER[after]
    assert shortest <= pause <= longest
    assert f"; retry 1 of 10 in {pause:.1f} s" in retries(output)[0]


@pytest.mark.parametrize(
    "after",
    [
        *("601", "9" * 400, "9" * 10_000),
        *("Mon, 23 Nov 2026 10:10:01 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"),
    ],
    ids=lambda after: after[:40],
)
def test_more_than_ten_minutes_is_too_long(sandbox: Sandbox, tap: Tap, after: str) -> None:
    headers = {"Retry-After": after, "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}
    sandbox.faults = [Fault(status=429, headers=headers)]
    output = tap(sandbox.config(), code=1)
    assert len(sandbox.requests) == 1
    assert re.search(r"events: 429 .*asks to wait [\d,]+ s, more than 600 s", output.last_line)


@pytest.mark.parametrize("date", ["", "Mon, 99 Nov 2026 10:00:00 +9999999999"])
def test_an_answer_without_a_possible_date(
    sandbox: Sandbox, tap: Tap, pauses: list[float], date: str
) -> None:
    """Then the tap's own clock counts."""
    after = email.utils.formatdate(time.time() + 100, usegmt=True)
    sandbox.faults = [Fault(status=429, headers={"Retry-After": after, "Date": date})]
    tap(sandbox.config(max_records=1))
    assert 60 < pauses[0] <= 100


@pytest.mark.parametrize("limit", [0, 2])
def test_retries_run_out(pipeline: Pipeline, limit: int) -> None:
    fault = Fault(status=503, times=-1, when=second_page)
    pipeline.sandbox.faults = [fault]
    output = pipeline.run(code=1, page_size=50, max_retries=limit)
    assert len(retries(output)) == limit
    assert fault.seen == limit + 1
    assert "events: 503 Service Unavailable, Fault: Injected." in output.last_line
    assert ("(after 2 retries)" in output.last_line) == bool(limit)
    assert output.counts()["events"] == 50
    again = pipeline.run(code=1, max_retries=0)  # it resumes with the failing page
    assert again.counts()["events"] == 0


@pytest.mark.parametrize("files", ["files", ""])
def test_everything_before_the_failing_page_is_out(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, files: str
) -> None:
    settings = batches(tmp_path) if files else {}
    fail_from(sandbox, 4, 401)
    output = tap(sandbox.config(page_size=50, **settings), code=1)
    assert "Asking again" not in output.stderr  # as after a rejected cursor
    assert "events: stopped: 150 records in 3 pages, " in output.stderr
    assert "Done: " not in output.stderr
    records = in_files(output, "events") if files else output.records("events")
    assert records == expected_records(sandbox.world, "events")[:150]
    sandbox.faults.clear()
    rest = tap(sandbox.config(page_size=50), state=output.state)
    assert rest.records("events") == expected_records(sandbox.world, "events")[150:]


# Responses that take forever, and lengths that nobody can have meant

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100000\r\n\r\n"

_sleep = time.sleep


def dripping(head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Answer drop by drop, until the client is gone."""

    def drip(client: socket.socket) -> None:
        with suppress(OSError):
            client.sendall(head)
            while True:
                client.sendall(drop)
                _sleep(0.03)

    return drip


DRIPPING = [
    (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"H"),
    (PLAIN, b" "),
    (CHUNKED, b"1\r\n \r\n"),
    (ENDLESS, b" "),
    (BUSY, b" "),
]


@pytest.mark.slow
@pytest.mark.parametrize("response", DRIPPING)
def test_a_response_that_drips(sandbox: Sandbox, tap: Tap, response: tuple[bytes, bytes]) -> None:
    """Ten timeouts for its headers, and ten for its body; then it is retried."""
    between = Between(sandbox, dripping(*response))
    url = f"http://{between.host}/export"
    started = time.monotonic()
    output = tap(sandbox.config(api_url=url, request_timeout=0.4, max_retries=5))
    assert_all(output, sandbox)
    assert 4 <= time.monotonic() - started < 20
    assert "no answer from 127.0.0.1" in output.stderr


ABSURD = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000000\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 12, 13\r\n\r\n",
    CHUNKED + b"ffffffffffffffff\r\n",
    CHUNKED + b"-5\r\n",
]


@pytest.mark.parametrize("head", ABSURD)
def test_absurd_lengths(sandbox: Sandbox, tap: Tap, head: bytes) -> None:
    between = Between(sandbox, dripping(head, b"H"))
    url = f"http://{between.host}/export"
    output = tap(sandbox.config(api_url=url, request_timeout=0.3, max_retries=5))
    assert_all(output, sandbox)
    assert "; retry 1 of 5" in output.stderr


# What ends a run: the API's own errors, redirects, and answers that are none

BILLING = "Settle it in the billing settings of the workspace"
NO_ITEMS = "its `items` are not a list of objects"
FAULT = json.dumps(
    {"title": "Fault", "detail": "Injected.", "type": "https://croct.help/sdk/export/fault"}
).encode()


def problem(kind: str) -> bytes:
    return json.dumps({"type": f"https://croct.help/api/{kind}", "title": "A title"}).encode()


ERRORS: list[tuple[int, bytes, str]] = [
    # status, body, what the message must say
    (400, FAULT, "Bad Request, Fault: Injected. (https://croct.help/sdk/export/fault)"),
    (401, FAULT, "Check `api_key`"),
    (401, problem("authentication/unknown-api-key"), "Croct does not know `api_key`"),
    (401, problem("authentication/invalid-api-key"), "`api_key` is not a version 4 UUID"),
    (402, problem("billing/past-due-subscription"), f"An invoice is overdue. {BILLING}"),
    (402, problem("billing/quota-exceeded"), f"monthly active users are used up. {BILLING}"),
    (403, FAULT, "what `api_key` is allowed to do"),
    (404, problem("x"), "/session, A title (https://croct.help/api/x). Check `api_url`"),
    (409, FAULT, "Please report this"),
    (423, FAULT, "monthly quota"),
    (202, b"", "The service is suspended"),
    (202, b'{"items":[],"nextCursor":null}', "The service is suspended"),
    (202, problem("service/suspended"), "The reason: unpaid"),
    (204, b"", "204 No Content. Check `api_url` and proxies"),
    (206, b'{"title":"Jane","items":[{"userId":"1"}]}', "206 Partial Content. "),
    (304, b"", "304 Not Modified"),
    (200, b'{"title":"Jane"}', "200 OK. The response is not a page of records: it has no `items`"),
    *((200, body, "it is not an object") for body in (b"[]", b"null")),
    *((200, b'{"items":%b}' % items, NO_ITEMS) for items in (b"null", b"{}", b"[{},5]", b'["x"]')),
    (200, b'{"items":[],"nextCursor":5}', "its `nextCursor` is not text, but a number"),
]


@pytest.mark.parametrize(("status", "body", "says"), ERRORS, ids=lambda value: str(value)[:60])
def test_fatal_trouble_stops_the_run(
    sandbox: Sandbox, tap: Tap, status: int, body: bytes, says: str
) -> None:
    headers = {"X-Suspension-Reason": "unpaid\x1b"} if says.startswith("The reason") else {}
    fault = Fault(status=status, body=body, headers=headers, times=-1)
    fault.when = lambda request: request.stream == "sessions"
    sandbox.faults = [fault]
    output = tap(sandbox.config(), code=1)
    assert output.last_line.split(" | ", 3)[-1].strip().startswith(f"sessions: {status}")
    assert says in output.last_line
    assert ("Please report" in output.last_line) is (status in {200, 204, 206, 304, 409})
    assert "; retry " not in output.stderr
    assert "\x1b" not in output.stderr
    assert len(sandbox.pages("sessions")) == 1
    assert output.counts()["events"] == len(sandbox.world.items("events"))
    assert output.state["bookmarks"]["events"]["cursor"]


@pytest.mark.parametrize("after", ["1", "86400"])
def test_the_advice_beside_a_wait(sandbox: Sandbox, tap: Tap, after: str) -> None:
    """The API may say how long a quota is used up; that it does not end by itself, the advice says."""
    quota, headers = problem("billing/quota-exceeded"), {"Retry-After": after}
    sandbox.faults = [Fault(status=402, body=quota, headers=headers, times=-1)]
    output = tap(sandbox.config(max_retries=1), code=1)
    assert f"monthly active users are used up. {BILLING}" in output.last_line
    assert ("asks to wait 86,400 s" in output.last_line) is (after == "86400")
    assert len(sandbox.requests) == (1 if after == "86400" else 2)


@pytest.mark.parametrize(("status", "advice"), [(401, "Check `api_key`"), (402, BILLING)])
def test_what_to_do_after_the_retries(sandbox: Sandbox, tap: Tap, status: int, advice: str) -> None:
    """A gateway may have answered, so it is tried again; the key may be wrong all the same."""
    sandbox.faults = [Fault(status=status, body=b"{}", times=2)]
    output = tap(sandbox.config(max_retries=1), code=1)
    assert f"{advice} (after 1 retry)" in output.last_line
    tap(sandbox.config())


@pytest.mark.parametrize("kind", PROBLEMS)
def test_what_the_sandbox_can_answer(start: Start, tap: Tap, kind: str) -> None:
    output = tap(start(problem=kind).config(), code=1)
    assert f"events: {PROBLEMS[kind][0]} " in output.last_line
    assert f"/{kind})" in output.last_line


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
def test_a_redirect_is_not_followed(sandbox: Sandbox, start: Start, tap: Tap, status: int) -> None:
    elsewhere = start(visits=1)
    location = f"{elsewhere.url}/events"
    sandbox.faults = [Fault(status=status, headers={"Location": location}, body=b"")]
    output = tap(sandbox.config(), code=1)
    assert elsewhere.requests == []
    assert f"{status} " in output.last_line
    assert "Check `api_url`" in output.last_line
    assert f"{sandbox.url.split('/')[2]} points to {location}" in output.last_line


@pytest.mark.parametrize("encoding", ["br", "zstd", "x-odd"])
def test_an_encoding_that_cannot_be_decoded(sandbox: Sandbox, tap: Tap, encoding: str) -> None:
    sandbox.faults = [Fault(status=200, body=b"\x01", headers={"Content-Encoding": encoding})]
    output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL="INFO")
    assert encoding in "".join(line for line in output.warnings if "retry" in line)


def test_a_byte_order_mark(sandbox: Sandbox, tap: Tap) -> None:
    items = sandbox.world.items("events")[:3]
    items[0] = {**items[0], "timestamp": "soon"}  # not a time, and no reason to stop either
    serve(sandbox, b"\xef\xbb\xbf" + json.dumps({"items": items}).encode())
    assert len(tap(sandbox.config()).records("events")) == 3


def test_informational_answers(sandbox: Sandbox, tap: Tap) -> None:
    """The real answer, which follows, must not be taken for that to the next request."""
    sandbox.faults = [
        Fault("early hints", status=103, when=lambda _, n=n: len(sandbox.requests) == n)  # type: ignore[misc]
        for n in (2, 4)
    ]
    assert_all(tap(sandbox.config(page_size=100)), sandbox)


def test_one_connection_is_enough(sandbox: Sandbox, tap: Tap) -> None:
    """A body that is read to its end leaves the connection to the next request."""
    connections = []
    accept = sandbox.server.get_request

    def count() -> object:
        connections.append(accept())
        return connections[-1]

    sandbox.server.get_request = count  # type: ignore[method-assign, assignment]
    tap(sandbox.config(page_size=20))
    assert len(sandbox.requests) > 10
    assert len(connections) == len(STREAMS)  # each of them has a session
