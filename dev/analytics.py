"""How long the dbt models take on a million events, in DuckDB and PostgreSQL: `python -m dev.analytics`.

Loads a shop's data with the targets, copies it inside the warehouse until there are a million events,
and builds in turns: everything from scratch, then again with nothing new, the event models incremental. The
seconds are what dbt says it took to run the models, without its own start.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
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
KEYS = {"events": ("id", "sessionId", "userId"), "sessions": ("sessionId", "userId"), "users": ("userId",)}  # fmt: skip


def load(folder: Path, target: str, config: dict[str, Any]) -> int:
    """Load a shop's data into a warehouse; return how many events it has."""
    with Sandbox(World(visits=VISITS)) as sandbox:
        messages = run_tap(folder, sandbox.config()).stdout
        events = len(sandbox.world.items("events"))
    file = write(folder / f"{target}.json", config)
    command = [str(environment(target) / target), "--config", file]
    subprocess.run(command, input=messages.encode(), check=True, cwd=folder, capture_output=True)
    return events


def multiply(stream: str, columns: list[str], text: str, json_type: str, numbers: str) -> str:
    """Return the statement that copies a table's rows, each copy with keys of its own.

    Args:
        stream: The table.
        columns: Its columns.
        text: The type of text.
        json_type: The type of JSON.
        numbers: What yields the number `i` of each copy.
    """
    keys = {key.lower() for key in KEYS[stream]}
    order = "'(\"orderId\": ?\")', '\\1' || i || '-', 'g'"
    values = [
        f"\"{column}\" || '-' || i" if column.lower() in keys
        else f"cast(regexp_replace(cast(payload as {text}), {order}) as {json_type})"
        if column == "payload" else f'"{column}"'
        for column in columns
    ]  # fmt: skip
    return f"insert into croct.{stream} select {', '.join(values)} from croct.{stream}, {numbers}"


def build(
    folder: Path, engine: str, variables: dict[str, str], server: Postgres | None = None
) -> None:
    """Build in turns, and print how long each took; let a server settle in between."""
    dbt = str(environment(f"dbt-{engine}") / "dbt")
    project = folder / f"project-{engine}"
    project.mkdir()
    package = {"packages": [{"local": str(ROOT / "transform")}]}
    (project / "packages.yml").write_text(json.dumps(package))
    models = {"croct": {"events": {"+materialized": "incremental"}}}
    own = {
        "name": "own", "profile": "croct", "models": models,
        "flags": {"send_anonymous_usage_stats": False},
    }  # fmt: skip
    (project / "dbt_project.yml").write_text(json.dumps(own))
    options = ["--profiles-dir", str(ROOT / "transform"), "--target", engine]
    turn = [("everything", ["run", "--full-refresh"]), ("nothing new", ["run"])]
    for name, command in [("", ["deps"]), *turn * TURNS, ("with tests", ["build"])]:
        done = subprocess.run(
            [dbt, "--no-version-check", *command, *options],
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
    copies = -(-EVENTS // load(folder, "target-duckdb", config)) - 1
    with duckdb.connect(str(file)) as connection:
        for stream in STREAMS:
            found = connection.execute(f"select * from croct.{stream} limit 0").description or ()
            names = [column[0] for column in found]
            numbers = f"range(1, {copies + 1}) as copies (i)"
            connection.execute(multiply(stream, names, "varchar", "json", numbers))
    build(folder, "duckdb", {"TARGET_DUCKDB_FILEPATH": str(file)})


def in_postgres(folder: Path, server: Postgres) -> None:
    """Measure in a PostgreSQL server."""
    copies = -(-EVENTS // load(folder, "target-postgres", server.target_config)) - 1
    for stream in STREAMS:
        names = [
            row["column_name"]
            for row in server.query(
                "select column_name from information_schema.columns "
                f"where table_schema = 'croct' and table_name = '{stream}'"
            )
        ]
        numbers = f"generate_series(1, {copies}) as copies (i)"
        server.execute(multiply(stream, names, "text", "jsonb", numbers))
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
