"""Asking a DuckDB file with the newest DuckDB, which the tests' own can't open."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from dev.environments import environment

_ASK = """
import json, sys, duckdb
with duckdb.connect(sys.argv[1]) as connection:
    for query in sys.argv[2:]:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row)) for row in found.fetchall()]
        print(json.dumps(rows, default=str))
"""


def query(file: Path, *queries: str) -> list[list[dict[str, Any]]]:
    """Return the rows that each query finds.

    Times come as text, JSON columns as the text that is stored.

    Args:
        file: The database file.
        queries: One query each.

    Raises:
        AssertionError: If the query fails.
    """
    python = environment("duckdb") / "python"
    done = subprocess.run(
        [python, "-c", _ASK, str(file), *queries], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def path_with(*folders: Path) -> str:
    """Return a `PATH` that has these folders in front."""
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])
