"""A temporary PostgreSQL server."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from dev.environments import environment

PG_SERVER = Path(__file__).parent / "pg_server.py"


class Postgres:
    """A running server, and what to ask it."""

    def __init__(self, uri: str) -> None:
        """Take a server's URI."""
        self.uri = uri
        self.url = uri.replace("postgresql:", "postgresql+psycopg:")
        self.target_config = {"sqlalchemy_url": self.url, "default_target_schema": "croct"}

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
        RuntimeError: If it does not start; why is on standard error.
    """
    # A socket's path may not be long; the server runs as another user if this is root.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        command = [environment("postgres") / "python", PG_SERVER, Path(folder) / "data"]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            uri = server.stdout.readline().strip()
            if not uri:
                raise RuntimeError("PostgreSQL does not start")
            try:
                yield Postgres(uri)
            finally:
                server.stdin.close()
                server.wait(timeout=60)
