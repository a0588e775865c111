"""Warehouses that the models are built in: a DuckDB file, or a schema of PostgreSQL."""

import json
import subprocess
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import yaml

from dev.environments import ROOT, environment
from dev.postgres import Postgres
from dev.running import clean_environment
from tests.analytics.models import Row
from tests.support.loaded import DuckDB, PostgresTarget
from tests.support.pipes import Pipe

TRANSFORM = ROOT / "transform"


class Warehouse:
    """A place to load into and to build in, with dbt's environment for it."""

    engine: str
    address: str
    """File or URL, as the target takes it."""

    def __init__(self, folder: Path) -> None:
        """Prepare a folder for configuration, states and what dbt compiles."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def pipe(self, schema: str = "croct", **settings: Any) -> Pipe:
        """Return a pipeline into a schema."""
        raise NotImplementedError

    def execute(self, sql: str) -> None:
        """Run statements."""
        raise NotImplementedError

    def ask(self, query: str) -> list[Row]:
        """Return what a query finds: amounts as `Decimal`, times and days as text."""
        raise NotImplementedError

    def rows(self, model: str, schema: str = "analytics") -> list[Row]:
        """Return a model's rows."""
        return self.ask(f"select * from {schema}.{model}")

    def variables(self) -> dict[str, str]:
        """Return the environment that the profile reads."""
        raise NotImplementedError

    def target_path(self, project: Path) -> Path:
        """Return where dbt writes what it makes of a project."""
        return self.folder / "target" / project.relative_to(project.anchor)

    def dbt(
        self, *args: str, schema: str = "analytics", project: Path = TRANSFORM, code: int = 0,
        program: str | None = None, **variables: Any,
    ) -> str:  # fmt: skip
        """Run dbt; return what it prints.

        Args:
            args: Its command, and options.
            schema: Where the models go.
            project: The project's folder.
            code: The exit code that it should have.
            program: Name of dbt's environment, if it is another one.
            variables: Variables of dbt.

        Raises:
            AssertionError: If it ends with another code.
        """
        dbt = environment(program or f"dbt-{self.engine}") / "dbt"
        target = ("--profiles-dir", str(TRANSFORM), "--target", self.engine)
        options = () if args[0] == "deps" else ("--vars", json.dumps(variables))
        done = subprocess.run(
            [dbt, "--no-version-check", "--no-use-colors", *args, *target, *options],
            cwd=project, capture_output=True, text=True, check=False,
            env=clean_environment(
                CROCT_ANALYTICS_SCHEMA=schema,
                DBT_TARGET_PATH=str(self.target_path(project)),
                DBT_LOG_PATH=str(self.folder / "logs"),
                DBT_SEND_ANONYMOUS_USAGE_STATS="false",
                **self.variables(),
            ),
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


class DuckDBWarehouse(Warehouse):
    """A DuckDB file."""

    engine = "duckdb"

    def __init__(self, folder: Path) -> None:
        """Name the file, which is not there yet."""
        super().__init__(folder)
        file = folder / "warehouse.duckdb"
        file.unlink(missing_ok=True)
        self.address = str(file)

    def pipe(self, schema: str = "croct", **settings: Any) -> Pipe:
        return DuckDB(self.folder, default_target_schema=schema, **settings)

    def execute(self, sql: str) -> None:
        with duckdb.connect(self.address) as connection:
            connection.execute(sql)

    def ask(self, query: str) -> list[Row]:
        with duckdb.connect(self.address, read_only=True) as connection:
            found = connection.execute(query)
            columns = [(column[0], str(column[1])) for column in found.description or ()]
            return [
                {
                    name: _plain(value, kind)
                    for (name, kind), value in zip(columns, row, strict=True)
                }
                for row in found.fetchall()
            ]

    def variables(self) -> dict[str, str]:
        return {"TARGET_DUCKDB_FILEPATH": self.address}


class PostgresWarehouse(Warehouse):
    """A PostgreSQL server."""

    engine = "postgres"

    def __init__(self, folder: Path, database: Postgres) -> None:
        """Take the server; other tests may have loaded and built in it."""
        super().__init__(folder)
        self.database = database
        self.address = database.url
        self.execute("drop schema if exists croct, analytics cascade")

    def pipe(self, schema: str = "croct", target: str = "target-postgres", **settings: Any) -> Pipe:
        self.execute(f"drop schema if exists {schema} cascade")
        return PostgresTarget(self.folder, self.database, schema, target, **settings)

    def execute(self, sql: str) -> None:
        self.database.execute(sql)

    def ask(self, query: str) -> list[Row]:
        lines = self.database.execute(f"select to_json(found) from ({query}) as found")
        return [json.loads(line, parse_float=Decimal) for line in lines]

    def variables(self) -> dict[str, str]:
        url = urlsplit(self.database.uri)
        return {
            "TARGET_POSTGRES_HOST": parse_qs(url.query)["host"][0],
            "TARGET_POSTGRES_USER": url.username or "postgres",
            "TARGET_POSTGRES_DATABASE": url.path.lstrip("/"),
        }


def _plain(value: Any, kind: str) -> Any:
    """Return a value of DuckDB as PostgreSQL has it in JSON."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").rstrip("0").rstrip(".")
    if isinstance(value, date):
        return value.isoformat()
    return json.loads(value, parse_float=Decimal) if kind == "JSON" and value is not None else value


def own_project(folder: Path, package: dict[str, str] | None = None, **config: str) -> Path:
    """Write a dbt project that uses the package.

    Args:
        folder: Where it is made.
        package: Its entry in `packages.yml`; this folder's as `dbt deps` would link it, if not given.
        config: Settings of the package's event models, such as `materialized`.

    Returns:
        The folder.
    """
    folder.mkdir()
    events = {f"+{name}": value for name, value in config.items()}
    project = {
        "name": "own", "version": "1.0.0", "profile": "croct",
        "models": {"croct": {"events": events}},
    }  # fmt: skip
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(project))
    if package:
        (folder / "packages.yml").write_text(yaml.safe_dump({"packages": [package]}))
    else:
        (folder / "dbt_packages").mkdir()
        (folder / "dbt_packages" / "croct").symlink_to(TRANSFORM)
    return folder
