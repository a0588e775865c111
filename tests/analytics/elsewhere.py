"""Compiles the package for engines that are not here; runs in the environment `dbt-elsewhere`.

`python elsewhere.py PROJECT FOLDER SHAPES`, where SHAPES is JSON: the columns of each table by the name of a
shape, which begins with the engine's. The adapter is the real one; a stand-in answers its questions about
tables. Each compiled model is parsed in the engine's dialect.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import sqlglot  # type: ignore[import-not-found]
from dbt.cli.main import dbtRunner  # type: ignore[import-not-found]

CREDENTIALS: dict[str, dict[str, str]] = {
    "snowflake": {"account": "none", "user": "none", "password": "none", "warehouse": "none",
                  "database": "RAW", "schema": "ANALYTICS"},
    "bigquery": {"method": "oauth", "project": "raw", "dataset": "analytics"},
}  # fmt: skip


ADAPTERS = {"snowflake": "SnowflakeAdapter", "bigquery": "BigQueryAdapter"}


def stand_in(engine: str, tables: dict[str, dict[str, str]]) -> None:
    """Let the adapter find these tables, without a connection."""
    adapter = getattr(importlib.import_module(f"dbt.adapters.{engine}.impl"), ADAPTERS[engine])

    def get_columns_in_relation(self: Any, relation: Any) -> list[Any]:
        found = tables.get(relation.identifier, {})
        return [self.Column(name, kind) for name, kind in found.items()]

    def get_relation(*_: Any) -> None:
        """Find no model: none has been built."""

    def open_connection(_: Any, connection: Any) -> Any:
        connection.state = "open"
        connection.handle = MagicMock()
        return connection

    adapter.ConnectionManager.open = classmethod(open_connection)
    adapter.get_relation = get_relation
    adapter.get_columns_in_relation = get_columns_in_relation


def main(engine: str, project: str, folder: Path, tables: dict[str, dict[str, str]]) -> None:
    """Compile, and parse what was compiled.

    Raises:
        SystemExit: If dbt fails.
        sqlglot.errors.ParseError: If a model is not SQL of this dialect.
    """
    stand_in(engine, tables)
    folder.mkdir()
    outputs = {engine: {"type": engine, "threads": 1, **CREDENTIALS[engine]}}
    profile = {"croct": {"target": engine, "outputs": outputs}}
    (folder / "profiles.yml").write_text(json.dumps(profile))
    variables = {
        "croct__reporting_currency": "EUR", "croct__exchange_rates": {"BRL": "0.17"},
        "croct__timezone": "Europe/Berlin",
    }  # fmt: skip
    done = dbtRunner().invoke([
        "compile", "--project-dir", project, "--profiles-dir", str(folder), "--no-populate-cache",
        "--target-path", str(folder / "target"), "--log-path", str(folder), "--vars",
        json.dumps(variables),
    ])  # fmt: skip
    if not done.success:
        sys.exit(str(done.exception or done.result))
    models = sorted((folder / "target" / "compiled" / "croct").rglob("*.sql"))
    for path in models:
        sqlglot.parse_one(path.read_text(), dialect=engine)
    print(f"{len(models)} files parsed")


if __name__ == "__main__":
    for shape, found in json.loads(sys.argv[3]).items():
        main(shape.partition("-")[0], sys.argv[1], Path(sys.argv[2]) / shape, found)
