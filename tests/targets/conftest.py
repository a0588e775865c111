"""A PostgreSQL server for all tests that load into one; each uses a schema of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pipes import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    # Not in pytest's own folder: a socket's path may not be long, nor root's alone.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        with postgres(Path(folder) / "data") as server:
            yield server
