"""`--test`: one record of each stream, seconds when something is wrong, and a clear last line."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from dev.sandbox import Fault
from tests.support.catalogs import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]


@pytest.mark.parametrize("settings", [{}, {"page_size": 500, "max_retries": 0}], ids=str)
def test_one_record_of_each_stream(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, settings: dict[str, int]
) -> None:
    storage = {"root": f"file://{tmp_path}/files", "prefix": ""}
    encoding = {"format": "jsonl", "compression": "none"}
    batches = {"encoding": encoding, "storage": storage}
    output = tap(sandbox.config(batch_config=batches, **settings), "--test")
    assert output.code == 0
    assert output.last_line.endswith("Connection OK: events, sessions, users")
    assert output.stdout == ""  # a terminal or a CI log would show a person's data
    assert [request.items for request in sandbox.requests] == [1] * 3
    assert [request.param("pageSize") for request in sandbox.requests] == ["1"] * 3
    assert not (tmp_path / "files").exists()


def test_no_records_at_all(start: Callable[..., Sandbox], tap: Tap) -> None:
    output = tap(start(visits=0).config(), "--test")
    assert output.last_line.endswith("Connection OK: events, sessions, users")


@pytest.mark.slow
def test_nobody_listens(tap: Tap) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started = time.monotonic()
    output = tap({"api_key": "some-key", "api_url": f"http://127.0.0.1:{port}"}, "--test")
    assert time.monotonic() - started < 8
    assert output.code == 1
    assert f"the connection to 127.0.0.1:{port} failed: Connection refused (after 2 retries)" in (
        output.last_line
    )
    assert "Connection OK" not in output.stderr


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"request_timeout": 1}], ids=str)
def test_nobody_answers(sandbox: Sandbox, tap: Tap, settings: dict[str, int]) -> None:
    sandbox.faults = [Fault("hang", seconds=20, times=-1)]
    config = sandbox.config(**{"max_retries": 0, **settings})
    started = time.monotonic()
    output = tap(config, "--test")
    seconds = time.monotonic() - started
    limit = settings.get("request_timeout", 5)
    assert limit < seconds < limit + 4
    assert f"no answer from {sandbox.url.split('/')[2]} in time" in output.last_line


@pytest.mark.slow
def test_nothing_follows_the_error(sandbox: Sandbox, tap_process: Tap, tmp_path: Path) -> None:
    """Meltano has Python warn of files that were left open."""
    sandbox.faults = [Fault(status=401, times=-1)]
    catalog = catalog_of(tmp_path)
    for options in (["--test"], []):
        output = tap_process(
            sandbox.config(), *options, state={}, catalog=catalog, PYTHONWARNINGS="once"
        )
        assert output.code == 1
        assert "Check `api_key`" in output.last_line


def test_a_long_pause_is_not_waited_for(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.faults = [Fault(status=429, times=-1, headers={"Retry-After": "60"})]
    started = time.monotonic()
    output = tap(sandbox.config(), "--test")
    assert time.monotonic() - started < 8
    assert output.code == 1
    assert "429 Too Many Requests" in output.last_line
    assert "asks to wait 60 s, more than 5 s" in output.last_line


def test_a_wrong_key(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(api_key="wrong"), "--test")
    assert output.code == 1
    assert "Check `api_key`" in output.last_line
    assert len(sandbox.requests) == 1
