"""Warehouses of both engines."""

from pathlib import Path

import pytest

from dev.postgres import Postgres
from tests.analytics.warehouses import DuckDBWarehouse, PostgresWarehouse, Warehouse


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: to read the whole package again takes dbt half of its time."""
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture
def duck(dbt_folder: Path) -> Warehouse:
    return DuckDBWarehouse(dbt_folder / "duckdb")


@pytest.fixture
def postgresql(dbt_folder: Path, database: Postgres) -> Warehouse:
    return PostgresWarehouse(dbt_folder / "postgres", database)


@pytest.fixture(params=["duck", "postgresql"])
def place(request: pytest.FixtureRequest) -> Warehouse:
    """Each engine in turn."""
    found: Warehouse = request.getfixturevalue(request.param)
    return found
