"""Warehouses of both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.analytics.warehouses import DuckDBWarehouse, PostgresWarehouse, Warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from dev.postgres import Postgres


@pytest.fixture
def duck(tmp_path: Path) -> Warehouse:
    return DuckDBWarehouse(tmp_path / "duckdb")


@pytest.fixture
def postgresql(tmp_path: Path, database: Postgres) -> Warehouse:
    return PostgresWarehouse(tmp_path / "postgres", database)


@pytest.fixture(params=["duck", "postgresql"])
def place(request: pytest.FixtureRequest) -> Warehouse:
    """Each engine in turn."""
    found: Warehouse = request.getfixturevalue(request.param)
    return found
