"""The types of fixtures."""

from collections.abc import Callable
from typing import Any

from dev.running import Output
from dev.sandbox import Sandbox

Json = dict[str, Any]

Start = Callable[..., Sandbox]
"""Starts a sandbox; it takes what `Switches` takes, `visits`, `seed` and `ids`."""

Tap = Callable[..., Output]
"""Runs the tap; see `tests.support.in_process.run_tap_in_process`."""

Refused = Callable[..., str]
"""Runs the tap, which has to stop before its first request; see `tests.wire.conftest`."""
