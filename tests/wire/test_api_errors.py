"""The API's own errors, and answers that are none: what is wrong, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dev.expected import STREAMS, expected_records
from dev.sandbox import Fault

if TYPE_CHECKING:
    from dev.sandbox import Sandbox
    from tests.support.fixtures import Start, Tap

BILLING = "Settle it in the billing settings of the workspace"


def problem(kind: str, title: str = "A title") -> bytes:
    return json.dumps({"type": f"https://croct.help/api/{kind}", "title": title}).encode()


ERRORS: list[tuple[int, bytes, dict[str, str], str]] = [
    (401, problem("authentication/unknown-api-key"), {}, "Croct does not know `api_key`"),
    (401, problem("authentication/invalid-api-key"), {}, "`api_key` is not a version 4 UUID"),
    (401, problem("workspace/suspended"), {}, "Check `api_key`"),
    (402, problem("billing/past-due-subscription"), {}, f"An invoice is overdue. {BILLING}"),
    (402, problem("billing/quota-exceeded"), {}, f"monthly active users are used up. {BILLING}"),
    (402, problem("billing/else"), {}, BILLING),
    (202, b"", {}, "The service is suspended"),
    (202, b"", {"X-Suspension-Reason": "unpaid\x1b"}, "The reason: unpaid"),
    (202, problem("service/suspended"), {"X-Suspension-Reason": "abuse"}, "The reason: abuse"),
    (304, b"", {}, "304 Not Modified"),
    (302, b"", {"Location": "https://other.example/"}, "points to https://other.example/"),
]


@pytest.mark.parametrize("row", ERRORS)
def test_what_to_do(
    sandbox: Sandbox, tap: Tap, row: tuple[int, bytes, dict[str, str], str]
) -> None:
    status, body, headers, says = row
    sandbox.faults = [Fault(status=status, body=body, headers=headers)]
    output = tap(sandbox.config())
    assert output.code == 1
    assert says in output.last_line
    assert "Please report" not in output.last_line or status == 304
    assert "nowhere" not in output.last_line
    assert "\x1b" not in output.stderr


@pytest.mark.parametrize(("status", "advice"), [(401, "Check `api_key`"), (402, BILLING)])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}"])
def test_what_to_do_after_the_retries(
    sandbox: Sandbox, tap: Tap, status: int, advice: str, body: bytes
) -> None:
    """A gateway may have answered, so it is tried again; the key may be wrong all the same."""
    sandbox.faults = [Fault(status=status, body=body, times=2)]
    output = tap(sandbox.config(max_retries=1))
    assert output.code == 1
    assert f"{advice} (after 1 retry)" in output.last_line
    assert tap(sandbox.config()).code == 0


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("unknown-api-key", "Croct does not know `api_key`"),
        ("invalid-api-key", "`api_key` is not a version 4 UUID"),
        ("past-due-subscription", "An invoice is overdue"),
        ("quota-exceeded", "monthly active users are used up"),
        ("suspended-service", "The service is suspended"),
    ],
)
def test_what_the_sandbox_can_answer(start: Start, tap: Tap, kind: str, says: str) -> None:
    output = tap(start(problem=kind).config())
    assert output.code == 1
    assert says in output.last_line


@pytest.mark.parametrize("encoding", ["br", "zstd", "x-odd"])
def test_an_encoding_that_cannot_be_decoded(sandbox: Sandbox, tap: Tap, encoding: str) -> None:
    sandbox.faults = [Fault(status=200, body=b"\x01", headers={"Content-Encoding": encoding})]
    output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL="INFO")
    assert output.code == 0
    assert encoding in "".join(line for line in output.warnings if "retry" in line)


def test_a_byte_order_mark(sandbox: Sandbox, tap: Tap) -> None:
    items = sandbox.world.items("events")[:3]
    body = b"\xef\xbb\xbf" + json.dumps({"items": items, "nextCursor": None}).encode()
    sandbox.faults = [Fault(status=200, body=body, when=lambda r: r.stream == "events")]
    assert len(tap(sandbox.config()).records("events")) == 3


def test_informational_answers(sandbox: Sandbox, tap: Tap) -> None:
    """The real answer, which follows, must not be taken for that to the next request."""
    sandbox.faults = [
        Fault("early hints", status=103, when=lambda _, n=n: len(sandbox.requests) == n)  # type: ignore[misc]
        for n in (2, 4)
    ]
    output = tap(sandbox.config(page_size=100))
    assert output.code == 0, output.stderr
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)
