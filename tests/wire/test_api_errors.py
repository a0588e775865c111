"""What ends a run: the API's own errors, redirects, and answers that are none; and what to do about each."""

import json

import pytest

from dev.expected import STREAMS
from dev.sandbox import Fault, Sandbox
from dev.sandbox.api import PROBLEMS
from tests.support.fixtures import Start, Tap
from tests.support.runs import assert_all, serve

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
    (404, FAULT, "at 127.0.0.1:"),
    (404, FAULT, "Check `api_url`"),
    (409, FAULT, "Please report this"),
    (423, FAULT, "monthly quota"),
    (499, FAULT, "499"),
    (202, b"", "The service is suspended"),
    (202, b'{"items":[],"nextCursor":null}', "The service is suspended"),
    (202, problem("service/suspended"), "The reason: unpaid"),
    (204, b"", "204"),
    (206, b'{"items":[{"userId":"1"}],"nextCursor":null}', "206 Partial Content"),
    (304, b"", "304 Not Modified"),
    (200, b"{}", "it has no `items`"),
    *((200, body, "it is not an object") for body in (b"[]", b"null")),
    *((200, b'{"items":%b}' % items, NO_ITEMS) for items in (b"null", b"{}", b"[{},5]", b'["x"]')),
    (200, b'{"items":[],"nextCursor":5}', "its `nextCursor` is not text, but a number"),
    (200, b'{"items":[],"nextCursor":["a"]}', "its `nextCursor` is not text, but a list"),
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
    assert ("Please report" in output.last_line) is (status in {200, 204, 206, 304, 409, 499})
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
