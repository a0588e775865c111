"""The README and the docs say what is so."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner

from dev.environments import ROOT
from dev.expected import STREAMS
from dev.postgres import postgres
from dev.sandbox import Sandbox, World
from tests.support.pipes import Pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.running import Output


def blocks(path: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)


def columns(path: str) -> dict[str, list[tuple[str, str]]]:
    """Return the columns that a page says each table has, with their types."""
    found = re.findall(
        r"^\| (events|sessions|users) \| (.+) \|$", (ROOT / path).read_text(), re.MULTILINE
    )
    return {
        table: [tuple(column.split(" ", 1)) for column in text.split(", ")] for table, text in found
    }


def test_the_settings_table(tap: Callable[..., Output]) -> None:
    about = tap(None, "--about", "--format=markdown").stdout
    rows = [line for line in about.splitlines() if line.startswith("|")]
    readme = (ROOT / "README.md").read_text().splitlines()
    start = readme.index(rows[0])
    assert readme[start : start + len(rows)] == rows
    assert not readme[start + len(rows)].startswith("|")


def test_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), (page, link)


def test_the_recipes_are_valid(sandbox: Sandbox, tap: Callable[..., Output]) -> None:
    import json

    for recipe in blocks("README.md", "json"):
        output = tap(sandbox.config(**json.loads(recipe)), "--test=schema")
        assert output.code == 0, output.stderr
        assert output.warnings == []


def test_the_workflow_is_valid() -> None:
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    arguments = ["--builtin-schema", "vendor.github-workflows", str(workflow)]
    result = CliRunner().invoke(check_jsonschema, arguments)
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def sandbox_with_more() -> Iterator[Sandbox]:
    with Sandbox(World(visits=120)) as sandbox:
        yield sandbox


def check_answers(
    sandbox: Sandbox, queries: list[str], ask: Callable[[str], list[dict[str, Any]]]
) -> None:
    """Compare the answers with what the source says."""
    days, campaigns, carts, products, experiments = map(ask, queries)
    sessions = sandbox.world.items("sessions")
    events = sandbox.world.items("events")

    def of(kind: str) -> list[dict[str, Any]]:
        return [e["payload"] for e in events if e["payload"]["@type"] == kind]

    assert sum(row["sessions"] for row in days) == len(sessions)
    assert len({row["day"] for row in days}) > 2
    assert {row["campaign"]: row["sessions"] for row in campaigns} == _count(
        session["campaign"].get("name") or "(none)" for session in sessions
    )
    assert sum(row["with_order"] for row in campaigns) == sum(
        session["statistics"]["orders"] > 0 for session in sessions
    )
    assert sum(row["carts"] for row in carts) == len(of("cartAbandoned")) > 0
    total = sum(payload["cart"]["total"] for payload in of("cartAbandoned"))
    assert float(sum(row["total"] for row in carts)) == pytest.approx(total)
    units = sum(i["quantity"] for payload in of("orderPlaced") for i in payload["order"]["items"])
    assert sum(row["units"] for row in products) == units > 0
    assert {row["experiment"] for row in experiments} == {"Hero test"}
    assert len(experiments) == 2
    assert sum(row["sessions"] for row in experiments) == len(
        {
            event["sessionId"]
            for event in events
            if event["payload"]["@type"] == "slotPersonalized"
            and event["payload"]["personalization"]["assignedVariant"]
        }
    )


def _count(values: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


@pytest.mark.slow
def test_duckdb(sandbox_with_more: Sandbox, tmp_path: Path) -> None:
    target = {"filepath": str(tmp_path / "warehouse.duckdb"), "default_target_schema": "croct"}
    Pipe(tmp_path, "target-duckdb", target).run(sandbox_with_more.config())
    with duckdb.connect(target["filepath"], read_only=True) as connection:

        def ask(query: str) -> list[dict[str, Any]]:
            found = connection.execute(query)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

        queries = blocks("docs/duckdb.md", "sql")
        assert len(queries) == 5
        check_answers(sandbox_with_more, queries, ask)
        for table, wanted in columns("docs/duckdb.md").items():
            found = ask(
                "select column_name, data_type from information_schema.columns "
                f"where table_name = '{table}'"
            )
            types = {row["column_name"]: row["data_type"] for row in found}
            assert dict(wanted) == types


@pytest.mark.slow
def test_postgresql(sandbox_with_more: Sandbox, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        with postgres(Path(folder) / "data") as database:
            pipe = Pipe(tmp_path, "target-postgres", database.target_config)
            pipe.run(sandbox_with_more.config())
            queries = blocks("docs/postgresql.md", "sql")
            assert len(queries) == 5
            check_answers(sandbox_with_more, queries, database.query)
            for table, wanted in columns("docs/postgresql.md").items():
                found = database.query(
                    "select column_name, data_type from information_schema.columns "
                    f"where table_name = '{table}' and column_name not like '\\_sdc%'"
                )
                types = {row["column_name"]: row["data_type"] for row in found}
                assert dict(wanted) == types


def test_the_pages_name_every_column() -> None:
    names = {
        table: [name for name, _ in found] for table, found in columns("docs/snowflake.md").items()
    }
    for page in ("bigquery", "duckdb", "postgresql"):
        for stream in STREAMS:
            found = [name for name, _ in columns(f"docs/{page}.md")[stream]]
            wanted = [n.lower() for n in names[stream]] if page == "duckdb" else names[stream]
            assert found == wanted
