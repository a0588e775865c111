"""A temporary PostgreSQL server."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.environments import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

PG_SERVER = Path(__file__).parent / "pg_server.py"


class Postgres:
    """A running server, and what to ask it."""

    def __init__(self, uri: str) -> None:
        """Take a server's URI."""
        self.uri = uri
        self.target_config = {
            "sqlalchemy_url": uri.replace("postgresql:", "postgresql+psycopg:"),
            "default_target_schema": "croct",
        }

    def query(self, sql: str, database: str = "postgres") -> list[dict[str, Any]]:
        """Return the rows that a query finds, with times in UTC.

        Args:
            sql: A `select`.
            database: Name of the database to ask.
        """
        lines = self.execute(
            f"set timezone = 'UTC'; select row_to_json(found) from ({sql}) as found", database
        )
        return [json.loads(line) for line in lines if line.startswith("{")]

    def execute(self, sql: str, database: str = "postgres") -> list[str]:
        """Run statements; return the lines that `psql` prints.

        Args:
            sql: Any statements.
            database: Name of the database.
        """
        psql = next(environment("postgres").parent.glob("lib/*/site-packages/*/pginstall/bin/psql"))
        done = subprocess.run(
            [psql, self.uri.replace("@/postgres", f"@/{database}"), "-X", "-A", "-t",
             "-v", "ON_ERROR_STOP=1", "-c", sql],
            capture_output=True, check=False, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server with an empty database in a temporary folder; stop it in the end.

    Raises:
        RuntimeError: If it does not start, with what it wrote to standard error.
    """
    python = environment("postgres") / "python"
    # A socket's path may not be long; the server runs as another user if this is root.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        with serve([python, PG_SERVER, Path(folder) / "data"]) as server:
            yield server


@contextmanager
def serve(command: list[Path]) -> Iterator[Postgres]:
    """Run a command that serves PostgreSQL as `pg_server.py` does.

    Args:
        command: Prints the server's address, and serves until its standard input ends.

    Raises:
        RuntimeError: If it prints no address, with what it wrote to standard error.
    """
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            uri = server.stdout.readline().strip()
            if not uri:
                server.wait(timeout=60)
                log.seek(0)
                message = (
                    f"PostgreSQL does not start (exit code {server.returncode}):\n{log.read()}"
                )
                raise RuntimeError(message)
            yield Postgres(uri)
        finally:
            server.stdin.close()
            server.wait(timeout=60)
