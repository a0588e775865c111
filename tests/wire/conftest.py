"""Fixtures of this room."""

from __future__ import annotations

import pytest

from tap_croct import export


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Confirm a rejection at once: how long the pause is makes no difference here."""
    monkeypatch.setattr(export, "CONFIRM_AFTER", 0.01)
