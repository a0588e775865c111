"""Fixtures of this group."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dev.running import Output
from dev.sandbox import Sandbox
from tests.support.catalogs import selected_catalog
from tests.support.fixtures import Json, Refused, Start, Tap
from tests.support.runs import Pipeline


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the tap's pauses pass a thousand times as fast; return how many seconds each should take.

    The tap runs in the main thread; the sandbox, in others, takes its time.
    """
    sleep = time.sleep
    found: list[float] = []

    def pause(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            found.append(seconds)
            seconds /= 1000
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", pause)
    return found


@pytest.fixture
def sandbox(start: Start) -> Sandbox:
    """An API with the visits of one morning, which is enough for most tests."""
    return start(visits=12)


@pytest.fixture
def tap(tap: Tap) -> Tap:
    """Run the tap, and see it end with an exit code, 0 by default, and explain what it says."""

    def _tap(*args: Any, code: int | None = 0, **options: Any) -> Output:
        output = tap(*args, **options)
        assert code in {None, output.code}, output.stderr
        if code and options.get("TAP_CROCT_LOGLEVEL") != "DEBUG":
            assert "Traceback" not in output.stderr
        return output

    return _tap


@pytest.fixture
def catalog(tmp_path: Path) -> Json:
    """A catalog in which all streams are selected, to be changed."""
    return selected_catalog(tmp_path)


@pytest.fixture
def pipeline(sandbox: Sandbox, tap: Tap) -> Pipeline:
    return Pipeline(tap, sandbox)


@pytest.fixture
def refused(sandbox: Sandbox, tap: Tap) -> Refused:
    """Run the tap, see it stop before its first request, and return the log's last line."""

    def _refused(settings: Json | None = None, *args: str, **options: object) -> str:
        output = tap(sandbox.config(**settings or {}), *args, code=1, **options)
        assert output.stdout == ""
        assert sandbox.requests == []
        return output.last_line

    return _refused
