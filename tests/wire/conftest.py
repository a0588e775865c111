"""Fixtures of this group."""

from __future__ import annotations

import threading
import time

import pytest


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
