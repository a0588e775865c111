"""More kinds of targets, with ordinary data, twice: an object store, and PipelineWise's PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import KEYS, STREAMS
from tests.support import odd
from tests.support.loaded import Jsonl, PostgresTarget, S3Jsonl

if TYPE_CHECKING:
    from pathlib import Path

    from dev.postgres import Postgres
    from dev.sandbox import Sandbox
    from tests.support.s3 import S3Server

pytestmark = pytest.mark.slow


def change(sandbox: Sandbox) -> None:
    """New data, late data, a session that closes later and users who change."""
    sandbox.world.visits(15)
    sandbox.world.late_events(6)
    sandbox.world.change_users(4)


def test_s3(sandbox: Sandbox, tmp_path: Path, s3: S3Server) -> None:
    """Each run adds objects; the last record of a key is the current one."""
    target = S3Jsonl(tmp_path, s3, "twice")
    target.run(sandbox.config(page_size=100))
    assert target.tables() == odd.all_wanted(sandbox.world)
    before = target.objects()
    assert sorted(key.split("-")[0] for key in before) == sorted(STREAMS)
    change(sandbox)
    target.run(sandbox.config(page_size=100))
    after = target.objects()
    assert {key: after[key] for key in before} == before
    for stream in STREAMS:
        found: dict[str, Any] = {}
        for key in sorted(after):
            if key.startswith(stream):
                found |= {record[KEYS[stream]]: record for record in after[key]}
        wanted = odd.wanted(sandbox.world, stream)
        assert {k: {**dict.fromkeys(wanted[k]), **record} for k, record in found.items()} == wanted


@pytest.mark.parametrize("kind", ["jsonl", "s3"])
def test_lines_that_are_flat(sandbox: Sandbox, tmp_path: Path, s3: S3Server, kind: str) -> None:
    """Line by line what the tap put out; how the tap flattens is tested without a target."""
    odd.add(sandbox.world)
    target = Jsonl(tmp_path) if kind == "jsonl" else S3Jsonl(tmp_path, s3, "flat")
    output = target.run(sandbox.config(flattening_enabled=True, flattening_max_depth=3))
    loaded = target.lines()
    for stream in STREAMS:
        assert loaded[stream] == output.records(stream)


@pytest.mark.xdist_group("postgres")
def test_pipelinewise_postgres(sandbox: Sandbox, tmp_path: Path, database: Postgres) -> None:
    """Sessions and users that changed are updated."""
    schema = "twice_pw"
    pipe = PostgresTarget(tmp_path, database, schema, "pipelinewise-target-postgres")
    pipe.run(sandbox.config(page_size=100))
    assert pipe.tables() == odd.all_wanted(sandbox.world)
    change(sandbox)
    pipe.run(sandbox.config(page_size=100))
    assert pipe.tables() == odd.all_wanted(sandbox.world)


@pytest.mark.xdist_group("postgres")
def test_pipelinewise_postgres_flattened(
    sandbox: Sandbox, tmp_path: Path, database: Postgres
) -> None:
    schema = "flattened_pw"
    pipe = PostgresTarget(tmp_path, database, schema, "pipelinewise-target-postgres")
    output = pipe.run(sandbox.config(flattening_enabled=True, flattening_max_depth=3))
    for stream in STREAMS:
        rows = {
            row[KEYS[stream].lower()]: row
            for row in lower(database.query(f"select * from {schema}.{stream}"))
        }
        records = lower(output.records(stream))
        assert len(rows) == len(records)
        for record in records:
            row = rows[record[KEYS[stream].lower()]]
            texts = {n: v for n, v in record.items() if isinstance(v, str) and not v.endswith("Z")}
            assert {name: row[name] for name in texts} == texts


def lower(records: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name.lower(): value for name, value in record.items()} for record in records]
