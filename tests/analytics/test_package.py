"""The package in other hands: installed from git, and compiled for engines that are not here."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dev import dbt_docs
from dev.environments import ROOT, environment
from dev.sandbox import Sandbox
from tap_croct import schemas
from tests.analytics.models import Expected, differences
from tests.analytics.warehouses import TRANSFORM, Warehouse, own_project


def test_descriptions_are_those_of_the_dictionary() -> None:
    assert dbt_docs.PAGE.read_text(encoding="utf-8") == dbt_docs.page(), "run make dictionary"


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """Return the address of a git repository that holds the package where this one does."""
    folder = tmp_path / "repository"
    ignored = shutil.ignore_patterns("target", "logs")
    shutil.copytree(TRANSFORM, folder / "transform", ignore=ignored)
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Package"]):
        identity = ("-c", "user.name=test", "-c", "user.email=test@mail.example")
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return f"file://{folder}"


@pytest.mark.slow
def test_a_project_that_installs_it_from_git(
    sandbox: Sandbox, tmp_path: Path, repository: str, place: Warehouse
) -> None:
    """With the oldest dbt that the package takes, and with a current one."""
    program = {"duckdb": "dbt-oldest", "postgres": "dbt-postgres"}[place.engine]
    package = {"git": repository, "subdirectory": "transform", "revision": "main"}
    project = own_project(tmp_path / "own", package, schema="croct")
    place.dbt("deps", schema="mine", project=project, program=program)
    place.pipe("raw").run(sandbox.config())
    place.dbt("build", schema="mine", project=project, program=program, croct__schema="raw")
    expected = Expected.of(sandbox.world).tables()
    for model in ("croct__goals", "croct__orders", "croct__daily"):
        # `+schema` of the project's own adds to the name, as it does for every package.
        schema = "mine_croct" if model == "croct__goals" else "mine"
        assert differences(model, place.rows(model, schema), expected[model]) == []


def columns(engine: str) -> dict[str, list[tuple[str, str]]]:
    """Return the columns that a target makes of each stream, with their types."""
    types = {"text": "STRING", "time": "TIMESTAMP", "object": "RECORD", "map": "JSON"}
    types |= {"list": "STRING REPEATED"}
    if engine == "snowflake":
        types = {"text": "VARCHAR", "time": "TIMESTAMP_NTZ"}

    def kind(prop: dict[str, Any]) -> str:
        if "string" in prop["type"]:
            return "time" if prop.get("format") == "date-time" else "text"
        return "list" if "items" in prop else "object" if "properties" in prop else "map"

    streams = {"events": schemas.EVENT, "sessions": schemas.SESSION, "users": schemas.USER}
    return {
        stream: [(name, types.get(kind(p), "VARIANT")) for name, p in schema["properties"].items()]
        for stream, schema in streams.items()
    }


SHAPES = {
    "snowflake": ['get_path(payload, \'["order"]["total"]\')', "try_to_decimal(", '"SESSIONID"'],
    "bigquery": ['json_value(payload, \'$."order"."total"\')', "`data`", "bignumeric"],
    "bigquery-denormalized": ["to_json(`payload`)", "`sessionId`", "date(first.occurred_at"],
}
"""What targets leave in engines that are not here, and what the SQL for it must have."""


def tables(shape: str) -> dict[str, dict[str, str]]:
    """Return the columns of each table, with their types."""
    found = {stream: dict(c) for stream, c in columns(shape.partition("-")[0]).items()}
    if shape == "snowflake":
        return {t: {name.upper(): kind for name, kind in c.items()} for t, c in found.items()}
    if shape == "bigquery":
        return {stream: {"data": "JSON", "_sdc_batched_at": "TIMESTAMP"} for stream in found}
    return found


@pytest.mark.slow
def test_engines_that_are_not_here(tmp_path: Path) -> None:
    """The adapters are the real ones; what they would ask the warehouse is answered by a stand-in."""
    python = environment("dbt-elsewhere") / "python"
    script = ROOT / "tests" / "analytics" / "elsewhere.py"
    shapes = json.dumps({shape: tables(shape) for shape in SHAPES})
    done = subprocess.run(
        [python, script, TRANSFORM, tmp_path, shapes], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("74 files parsed") == len(SHAPES)
    for shape, wanted in SHAPES.items():
        compiled = (tmp_path / shape / "target" / "compiled" / "croct" / "models").rglob("*.sql")
        text = "\n".join(path.read_text() for path in compiled)
        foreign = ("jsonb", "json_extract_string", "::", "nulls last", "$$")
        assert [part for part in wanted if part not in text] == [], shape
        assert [part for part in foreign if part in text] == [], shape
