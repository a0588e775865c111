"""Pipes from the tap into real targets, each installed in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.environments import environment
from dev.running import Output, clean_environment, run_tap, write

if TYPE_CHECKING:
    from collections.abc import Iterator

PG_SERVER = Path(__file__).parent / "pg_server.py"


class Pipe:
    """A pipeline that is run again and again: the target's last state is the tap's next."""

    def __init__(self, folder: Path, target: str, target_config: dict[str, Any]) -> None:
        """Prepare a pipeline.

        Args:
            folder: For configuration and state files.
            target: Name of the target's environment and program.
            target_config: Its configuration.
        """
        self.folder = folder
        self.target = target
        self.target_config = target_config
        self.state: dict[str, Any] | None = None

    def run(self, config: dict[str, Any], **options: Any) -> Output:
        """Run tap and target; return what the tap put out.

        Raises:
            AssertionError: If one of them fails.
        """
        output = run_tap(self.folder, config, state=self.state, **options)
        assert output.code == 0, output.stderr
        program = environment(self.target) / self.target
        done = subprocess.run(
            [program, "--config", write(self.folder / "target.json", self.target_config)],
            input=output.stdout.encode(),
            capture_output=True,
            cwd=self.folder,
            check=False,
            env=clean_environment(),
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        states = done.stdout.decode().strip().splitlines()
        self.state = json.loads(states[-1])
        assert self.state == output.state
        return output


class Postgres:
    """A PostgreSQL server of the test's own."""

    def __init__(self, uri: str) -> None:
        """Take a server's URI."""
        self.uri = uri
        self.target_config = {
            "sqlalchemy_url": uri.replace("postgresql:", "postgresql+psycopg:"),
            "default_target_schema": "croct",
        }

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows that a query finds."""
        psql = next(environment("postgres").parent.glob("lib/*/site-packages/*/pginstall/bin/psql"))
        done = subprocess.run(
            [psql, self.uri, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c",
             f"set timezone = 'UTC'; select row_to_json(found) from ({sql}) as found"],
            capture_output=True, check=False, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Start a server; stop it in the end."""
    python = environment("postgres") / "python"
    with subprocess.Popen(
        [python, PG_SERVER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield Postgres(server.stdout.readline().strip())
        finally:
            server.stdin.close()
            server.wait(timeout=60)
