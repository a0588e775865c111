"""`--test`: one record of each stream, seconds when something is wrong, and a clear last line."""

import socket
import time
from pathlib import Path

import pytest

from dev.sandbox import Fault, Sandbox
from tests.support.batches import batches
from tests.support.fixtures import Start, Tap


@pytest.mark.parametrize("visits", [30, 0])
def test_one_record_of_each_stream(start: Start, tap: Tap, tmp_path: Path, visits: int) -> None:
    sandbox = start(visits=visits)
    settings = {"page_size": 500, "max_retries": 0, **batches(tmp_path / "files")}
    output = tap(sandbox.config(**settings), "--test")
    assert output.last_line.endswith("Connection OK: events, sessions, users")
    assert output.stdout == ""  # a terminal or a CI log would show a person's data
    assert {request.param("pageSize") for request in sandbox.requests} == {"1"}
    assert len(sandbox.requests) == (3 if visits else 6)  # an empty page with a cursor is followed
    assert not (tmp_path / "files").exists()


def test_nobody_listens(tap: Tap, pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = {"api_key": "some-key", "api_url": f"http://127.0.0.1:{port}"}
    output = tap(config, "--test", code=1)
    assert sum(pauses) < 8
    says = (
        f"events: the connection to 127.0.0.1:{port} failed: Connection refused (after 2 retries)"
    )
    assert says in output.last_line
    assert "Connection OK" not in output.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "limit"), [({}, 5), ({"request_timeout": 1}, 1)])
def test_nobody_answers(sandbox: Sandbox, tap: Tap, settings: dict[str, int], limit: int) -> None:
    sandbox.faults = [Fault("hang", seconds=20, times=-1)]
    started = time.monotonic()
    output = tap(sandbox.config(max_retries=0, **settings), "--test")
    assert limit < time.monotonic() - started < limit + 4
    assert f"no answer from {sandbox.url.split('/')[2]} in time" in output.last_line


def test_a_long_pause_is_not_waited_for(sandbox: Sandbox, tap: Tap, pauses: list[float]) -> None:
    sandbox.faults = [Fault(status=429, times=-1, headers={"Retry-After": "60"})]
    output = tap(sandbox.config(), "--test", code=1)
    assert pauses == []
    assert "429 Too Many Requests" in output.last_line
    assert "asks to wait 60 s, more than 5 s" in output.last_line


def test_another_word(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(), "--test=records", code=2)
    assert "is not one of 'all', 'schema', 'disabled'" in output.stderr
    assert output.stdout == ""
    assert not sandbox.requests


def test_nothing_follows_the_error(sandbox: Sandbox, tap_process: Tap) -> None:
    """Meltano has Python warn of files that were left open."""
    config = sandbox.config(api_key="wrong")
    output = tap_process(config, "--test", state={}, PYTHONWARNINGS="once")
    assert output.code == 1
    assert "`api_key`" in output.last_line
    assert len(sandbox.requests) == 1
