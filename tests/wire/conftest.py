"""Fixtures of this group."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.catalogs import selected_catalog
from tests.support.runs import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from dev.sandbox import Sandbox
    from tests.support.fixtures import Json, Refused, Tap


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
        output = tap(sandbox.config(**settings or {}), *args, **options)
        assert output.code == 1, output.stderr
        assert output.stdout == ""
        assert "Traceback" not in output.stderr
        assert sandbox.requests == []
        return output.last_line

    return _refused
