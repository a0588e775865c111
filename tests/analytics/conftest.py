"""Warehouses of both engines."""

from pathlib import Path

import pytest

from dev.postgres import Postgres
from tests.analytics.warehouses import DuckDBWarehouse, PostgresWarehouse, Warehouse


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
