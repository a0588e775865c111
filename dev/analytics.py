"""How long the dbt models take on a million events, in DuckDB and PostgreSQL: `python -m dev.analytics`.

Loads a shop's data with the targets, copies it inside the warehouse until there are a million events,
and builds in turns: everything from scratch, then again with nothing new, the event models incremental. The
seconds are what dbt says it took to run the models, without its own start.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb

from dev.environments import ROOT, environment
from dev.expected import STREAMS
from dev.postgres import Postgres, postgres
from dev.running import clean_environment, run_tap, write
from dev.sandbox import Sandbox, World

EVENTS = 1_000_000
VISITS = 1000
TURNS = 3
KEYS = ("id", "sessionid", "userid")


def load(folder: Path, target: str, config: dict[str, Any]) -> int:
    """Load a shop's data into a warehouse; return how many events it has."""
    with Sandbox(World(visits=VISITS)) as sandbox:
        messages = run_tap(folder, sandbox.config()).stdout
        events = len(sandbox.world.items("events"))
    file = write(folder / f"{target}.json", config)
    command = [str(environment(target) / target), "--config", file]
    subprocess.run(command, input=messages.encode(), check=True, cwd=folder, capture_output=True)
    return events


def multiply(execute: Callable[[str], list[str]], events: int) -> None:
    """Copy the rows of each table until there are enough events, each copy with keys of its own.

    Args:
        execute: Runs a statement in the warehouse; returns the first column of what it finds.
        events: How many there are.
    """
    copies = -(-EVENTS // events) - 1
    order = "'(\"orderId\": ?\")', '\\1' || i || '-', 'g'"
    for stream in STREAMS:
        columns = execute(
            "select column_name from information_schema.columns "
            f"where table_schema = 'croct' and table_name = '{stream}'"
        )
        values = [
            f"\"{column}\" || '-' || i" if column.lower() in KEYS
            else f"cast(regexp_replace(cast(payload as varchar), {order}) as json)"
            if column == "payload" else f'"{column}"'
            for column in columns
        ]  # fmt: skip
        names = ", ".join(f'"{column}"' for column in columns)
        execute(
            f"insert into croct.{stream} ({names}) select {', '.join(values)} "
            f"from croct.{stream}, generate_series(1, {copies}) as copies (i)"
        )


def build(
    folder: Path, engine: str, variables: dict[str, str], server: Postgres | None = None
) -> None:
    """Build in turns, and print how long each took; let a server settle in between."""
    dbt = str(environment(f"dbt-{engine}") / "dbt")
    project = folder / f"project-{engine}"
    shutil.copytree(ROOT / "transform", project)
    settings = project / "dbt_project.yml"
    incremental = "    events:\n      +materialized: incremental\n"
    settings.write_text(settings.read_text().replace("    events:\n", incremental))
    turn = [("everything", ["run", "--full-refresh"]), ("nothing new", ["run"])]
    for name, command in [*turn * TURNS, ("with tests", ["build"])]:
        done = subprocess.run(
            [dbt, "--no-version-check", *command, "--target", engine],
            cwd=project, env=clean_environment(**variables), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stdout)
        for seconds in re.findall(r"\(([\d.]+)s\)\.", done.stdout):
            print(f"{engine:<9} {name:<12} {float(seconds):5.1f} s", flush=True)
        if server:
            # What autovacuum does within minutes: it would run during the next build otherwise.
            server.execute("vacuum analyze")


def in_duckdb(folder: Path) -> None:
    """Measure in a DuckDB file."""
    file = folder / "warehouse.duckdb"
    config = {"filepath": str(file), "default_target_schema": "croct"}
    events = load(folder, "target-duckdb", config)
    with duckdb.connect(str(file)) as connection:
        multiply(lambda sql: [row[0] for row in connection.execute(sql).fetchall()], events)
    build(folder, "duckdb", {"TARGET_DUCKDB_FILEPATH": str(file)})


def in_postgres(folder: Path, server: Postgres) -> None:
    """Measure in a PostgreSQL server."""
    multiply(server.execute, load(folder, "target-postgres", server.target_config))
    server.execute("vacuum analyze")
    url = urlsplit(server.uri)
    variables = {
        "TARGET_POSTGRES_HOST": parse_qs(url.query)["host"][0],
        "TARGET_POSTGRES_USER": url.username or "postgres",
        "TARGET_POSTGRES_DATABASE": url.path.lstrip("/"),
    }
    build(folder, "postgres", variables, server)


def main() -> None:
    """Measure in both."""
    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        in_duckdb(Path(folder))
        in_postgres(Path(folder), server)


if __name__ == "__main__":
    main()
