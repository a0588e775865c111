"""The temporary PostgreSQL server says why it does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.postgres import serve


def test_a_server_that_does_not_start() -> None:
    command = [Path("sh"), Path("-c"), Path("echo no room left >&2; exit 3")]
    with pytest.raises(RuntimeError, match=r"exit code 3\):\nno room left"), serve(command):
        pass
