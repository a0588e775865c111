"""The types of fixtures."""

from __future__ import annotations

from collections.abc import Callable

from dev.running import Output
from dev.sandbox import Sandbox

Start = Callable[..., Sandbox]
"""Starts a sandbox; it takes what `Switches` takes, `visits`, `seed` and `ids`."""

Tap = Callable[..., Output]
"""Runs the tap; see `tests.support.in_process.run_tap_in_process`."""
