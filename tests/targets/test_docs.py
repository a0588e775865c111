"""The README and the docs say what is so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dev.expected import STREAMS
from dev.postgres import Postgres
from dev.running import write
from dev.sandbox import Sandbox
from dev.warehouse import SCHEMAS
from tests.support import duck
from tests.support.documents import Step, pages, steps, table
from tests.support.reader import Reader, follow


@pytest.fixture
def reader(tmp_path: Path, start: Callable[..., Sandbox]) -> Reader:
    return Reader(tmp_path, start(visits=120))


WRONG_STEPS = [
    ("bash", "tap-croct --config nothing.json"),
    ("bash", "tap-croct --config sample_config.json --no-such-option | cat"),
    ("bash", 'pip install "target-duckdb>=99"'),
    ("bash", "make no-such-target"),
    ("json", '{"page_size": 0}'),
    ("json", '{"flattening_enabled": true,}'),
    ("json", '{"flatening_enabled": true}'),
    ("yaml", "config: {page_size: none}"),
    ("yaml", "a: b: c"),
    ("sql", "select 1"),
    ("python", "print("),
    ("fortran", "end"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("language", "text"), WRONG_STEPS)
def test_what_does_not_hold_is_noticed(reader: Reader, language: str, text: str) -> None:
    assert reader.follow(Step("page.md", 1, language, text))


FOLLOWED_ELSEWHERE = {
    f"docs/{page}.md" for page in ("duckdb", "operations", "postgresql", "privacy", "selection")
}
"""By tests that also look at what came of it."""


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages() if page not in FOLLOWED_ELSEWHERE])
def test_a_page(reader: Reader, page: str) -> None:
    """Every command runs, every configuration is valid, as it is written."""
    follow(reader, page)


def columns(target: str, stream: str) -> dict[str, str]:
    """Return the columns of a stream's table with their types, as the page of targets has them."""
    (row,) = [row for row in table("docs/targets.md", "Columns") if row[""] == target]
    types = {"string": "text", "object": "object", "array": "list"}
    return {
        name: row["time (UTC)" if "format" in schema else types[schema["type"][0]]]
        for name, schema in {**SCHEMAS[stream]["properties"], **ADDED}.items()
    }


ADDED = {"additionalProperties": {"type": ["object"]}}


def check_answer(sandbox: Sandbox, answers: list[list[dict[str, Any]]]) -> None:
    """Compare the answer to a page's query with the source."""
    (answer,) = answers
    events = sandbox.world.items("events")
    users: dict[str, set[str]] = {}
    for event in events:
        users.setdefault(event["payload"]["@type"], set()).add(event["userId"])
    found = {row.get("eventtype") or row["eventType"]: row for row in answer}
    assert {name: row["users"] for name, row in found.items()} == {
        k: len(v) for k, v in users.items()
    }
    assert sum(row["events"] for row in answer) == len(events)
    assert answer == sorted(answer, key=lambda row: -row["events"])


@pytest.mark.slow
def test_duckdb(reader: Reader) -> None:
    """Both warehouses of the page have the columns that it names, and answer its query."""
    files = {
        "DuckDB alone": reader.folder / "output" / "duckdb" / "warehouse.duckdb",
        "target-duckdb": reader.folder / "output" / "target-duckdb" / "target.duckdb",
    }

    def ask(sql: str) -> list[dict[str, Any]]:
        return duck.query(files["DuckDB alone"], sql)[0]

    reader.ask = ask
    follow(reader, "docs/duckdb.md")
    check_answer(reader.sandbox, reader.answers)
    with duckdb.connect(str(files["target-duckdb"]), read_only=True) as connection:
        (query,) = [step.text for step in steps("docs/duckdb.md") if step.language == "sql"]
        found = connection.execute(query).fetchall()
        assert sorted(found) == sorted(tuple(row.values()) for row in reader.answers[0])
        for stream in STREAMS:
            wanted = {k.lower(): v for k, v in columns("target-duckdb", stream).items()}
            assert dict(connection.execute(TYPES.format(stream)).fetchall()) == wanted
    for stream in STREAMS:
        (rows,) = duck.query(files["DuckDB alone"], TYPES.format(stream))
        types = {row["column_name"]: row["data_type"] for row in rows}
        assert types == columns("DuckDB alone", stream)


TYPES = (
    "select column_name, data_type from information_schema.columns "
    "where table_schema = 'croct' and table_name = '{}' and column_name not like '\\_sdc%' escape '\\'"
)


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_postgresql(reader: Reader, warehouse: Postgres) -> None:
    url = warehouse.url
    reader.override("target-postgres", {"sqlalchemy_url": url})
    write(reader.folder / ".env", f"TARGET_POSTGRES_SQLALCHEMY_URL={url}\n")  # for Meltano
    reader.ask = warehouse.query
    follow(reader, "docs/postgresql.md")
    check_answer(reader.sandbox, reader.answers)
    for stream in STREAMS:
        found = warehouse.query(TYPES.format(stream))
        types = {row["column_name"]: row["data_type"] for row in found}
        assert types == columns("target-postgres", stream)


@pytest.mark.slow
def test_one_stream_starts_over(reader: Reader) -> None:
    """The page removes the bookmark of `events` in a file, and in Meltano, which then runs."""
    (reader.folder / "output").mkdir()  # as the README has it for the first run
    follow(reader, "docs/operations.md")
    state = json.loads((reader.folder / "state.json").read_text())
    assert state == {"bookmarks": {}}
    pages_without_cursor = {
        stream: [page.param("cursor") for page in reader.sandbox.pages(stream)].count(None)
        for stream in STREAMS
    }
    others = pages_without_cursor["users"]
    assert pages_without_cursor == {"events": others + 1, "sessions": others, "users": others}
