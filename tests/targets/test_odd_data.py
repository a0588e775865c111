"""Odd data in every target: what the schemas do not know lands, and nothing stops."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.environments import ROOT
from dev.expected import STREAMS
from dev.running import run_tap
from tests.support import odd
from tests.support.loaded import DuckDB, Jsonl, PostgresTarget, S3Jsonl, utc
from tests.support.pipes import Pipe

if TYPE_CHECKING:
    from pathlib import Path

    from dev.postgres import Postgres
    from dev.sandbox import Sandbox
    from tests.support.loaded import Tables
    from tests.support.s3 import S3Server

pytestmark = pytest.mark.slow

TEXT_ERROR = "PostgreSQL text fields cannot contain NUL (0x00) bytes"
JSON_ERROR = "unsupported Unicode escape sequence"
FLAT = {"flattening_enabled": True, "flattening_max_depth": 3}


def compare(found: Tables, sandbox: Sandbox, *, empty: Any = "", nul: str = "\0") -> None:
    """Compare every value with the source.

    Args:
        found: What was loaded.
        sandbox: The source.
        empty: What the target stores for an empty text.
        nul: What stands for NUL.

    Raises:
        AssertionError: If they differ.
    """
    for stream in STREAMS:
        wanted = odd.wanted(sandbox.world, stream)
        if nul != "\0":
            wanted = odd.replaced(wanted)
        for record in wanted.values():
            for name, value in record.items():
                record[name] = empty if value == "" else value
        assert found[stream] == wanted


def test_jsonl(sandbox: Sandbox, tmp_path: Path) -> None:
    odd.add(sandbox.world, nul=True)
    target = Jsonl(tmp_path)
    target.run(sandbox.config())
    compare(target.tables(), sandbox)


def test_duckdb(sandbox: Sandbox, tmp_path: Path) -> None:
    odd.add(sandbox.world, nul=True)
    target = DuckDB(tmp_path)
    target.run(sandbox.config())
    compare(target.tables(), sandbox, empty=None)


def test_s3(sandbox: Sandbox, tmp_path: Path, s3: S3Server) -> None:
    odd.add(sandbox.world, nul=True)
    target = S3Jsonl(tmp_path, s3, "odd")
    target.run(sandbox.config())
    compare(target.tables(), sandbox)


@pytest.mark.xdist_group("postgres")
def test_postgres(sandbox: Sandbox, tmp_path: Path, database: Postgres) -> None:
    odd.add(sandbox.world)
    target = PostgresTarget(tmp_path, database, "odd")
    target.run(sandbox.config())
    compare(target.tables(), sandbox)


@pytest.mark.xdist_group("postgres")
def test_nul_in_postgres(sandbox: Sandbox, tmp_path: Path, database: Postgres) -> None:
    """It stops PostgreSQL, also with the target's own switch, but not with the tap's."""
    page = (ROOT / "docs" / "targets.md").read_text()
    odd.add(sandbox.world, nul=True)
    messages = run_tap(tmp_path, sandbox.config()).stdout
    for switch, error in ((False, TEXT_ERROR), (True, JSON_ERROR)):
        target = PostgresTarget(tmp_path, database, "nul", sanitize_null_text_characters=switch)
        done = target.load(messages)
        assert done.returncode != 0
        assert error in done.stderr.decode()
        assert error in page
    target = PostgresTarget(tmp_path, database, "no_nul")
    target.run(sandbox.config(replace_nul_characters=True))
    compare(target.tables(), sandbox, nul="�")


@pytest.mark.xdist_group("postgres")
def test_pipelinewise_postgres(sandbox: Sandbox, tmp_path: Path, database: Postgres) -> None:
    odd.add(sandbox.world)
    target = PostgresTarget(tmp_path, database, "odd_pw", "pipelinewise-target-postgres")
    target.run(sandbox.config())
    compare(target.tables(), sandbox)


@pytest.mark.xdist_group("postgres")
def test_nul_in_pipelinewise_postgres(sandbox: Sandbox, tmp_path: Path, database: Postgres) -> None:
    odd.add(sandbox.world, nul=True)
    target = PostgresTarget(tmp_path, database, "nul_pw", "pipelinewise-target-postgres")
    done = target.load(run_tap(tmp_path, sandbox.config()).stdout)
    assert done.returncode != 0
    assert JSON_ERROR in done.stderr.decode()
    target = PostgresTarget(tmp_path, database, "no_nul_pw", "pipelinewise-target-postgres")
    target.run(sandbox.config(replace_nul_characters=True))
    compare(target.tables(), sandbox, nul="�")


def test_csv(sandbox: Sandbox, tmp_path: Path) -> None:
    """Flattened: what has no column is in `additionalProperties`, at any depth."""
    odd.add(sandbox.world, nul=True)
    config = {"output_path": str(tmp_path), "file_naming_scheme": "{stream_name}.csv"}
    output = Pipe(tmp_path, "target-csv", config).run(sandbox.config(**FLAT))
    for stream in STREAMS:
        schema = next(m for m in output.of("SCHEMA") if m["stream"] == stream)["schema"]
        with (tmp_path / f"{stream}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        records = output.records(stream)
        assert len(rows) == len(records) == len(sandbox.world.items(stream))
        for row, record in zip(rows, records, strict=True):
            assert record.keys() <= schema["properties"].keys()
            for name, value in record.items():
                cell = (
                    utc(row[name])
                    if schema["properties"][name].get("format") and row[name]
                    else row[name]
                )
                assert cell == ("" if value is None else str(value)), (stream, name)
    user, session, event = (output.records(s)[-1] for s in ("users", "sessions", "events"))
    assert json.loads(user["additionalProperties"]) == {
        "addedLater": odd.ADDED,
        "addedText": "später",
    }
    assert json.loads(session["additionalProperties"]) == {
        "addedLater": "text",
        "location__planet__name": "Earth",
        "campaign__addedLater": [1, 2],
    }
    assert json.loads(event["additionalProperties"]) == {
        "addedLater": True,
        "payload__addedLater__a": odd.ADDED["a"],
    }
