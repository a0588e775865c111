"""The README and the docs say what is so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from dev.running import write
from tests.support import duck
from tests.support.documents import Step, columns, pages, steps
from tests.support.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dev.postgres import Postgres
    from dev.sandbox import Sandbox


@pytest.fixture
def reader(tmp_path: Path, start: Callable[..., Sandbox]) -> Reader:
    return Reader(tmp_path, start(visits=120))


def follow(reader: Reader, page: str) -> None:
    """Do all that a page says.

    Raises:
        AssertionError: With a line for each step that does not hold.
    """
    failures = []
    for step in steps(page):
        if step.marker == "skip":
            assert step.note, f"{step.place}: say why it can't be run"
        if said := reader.follow(step):
            failures.append(f"{step.place}: {said}")
    assert not failures, "\n\n".join(failures)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("bash", "tap-croct --config nothing.json"),
        ("bash", "tap-croct --config sample_config.json --no-such-option | cat"),
        ("bash", "tap-croct --config sample_config.json --tset"),
        ("bash", "pip install target-of-nobody"),
        ("bash", 'pip install "target-duckdb>=99"'),
        ("bash", "make no-such-target"),
        ("bash", "docs/no-such-script.sh"),
        ("json", '{"page_size": 0}'),
        ("json", '{"flattening_enabled": true,}'),
        ("json", '{"flatening_enabled": true}'),
        ("yaml", "plugins: {extractors: [{name: tap-croct, config: {page_size: none}}]}"),
        ("yaml", "a: b: c"),
        ("sql", "select 1"),
        ("python", "print("),
        ("fortran", "end"),
    ],
)
def test_what_does_not_hold_is_noticed(reader: Reader, language: str, text: str) -> None:
    assert reader.follow(Step("page.md", 1, language, text))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in pages() if p not in {"docs/duckdb.md", "docs/postgresql.md"}]
)
def test_a_page(reader: Reader, page: str) -> None:
    """Every command runs, every configuration is valid, as it is written."""
    follow(reader, page)


def check_answers(sandbox: Sandbox, answers: list[list[dict[str, Any]]]) -> None:
    """Compare the answers with what the source says."""
    days, campaigns, carts, products, experiments = answers
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
    orders: dict[str, set[str]] = {}
    for payload in of("orderPlaced"):
        for item in payload["order"]["items"]:
            orders.setdefault(item["product"]["name"], set()).add(payload["order"]["orderId"])
    assert {row["product"]: row["orders"] for row in products} == {
        product: len(ids) for product, ids in orders.items()
    }
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


def _count(values: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


@pytest.mark.slow
def test_duckdb(reader: Reader) -> None:
    """The questions have the same answers in both warehouses of the page."""
    without_target = reader.folder / "warehouse.duckdb"
    with_target = reader.folder / "with-target" / "target.duckdb"

    def ask_both(sql: str) -> list[dict[str, Any]]:
        (answer,) = duck.query(without_target, sql)
        with duckdb.connect(str(with_target), read_only=True) as connection:
            found = connection.execute(sql)
            rows = [tuple(json.loads(json.dumps(row, default=str))) for row in found.fetchall()]
        assert sorted(rows, key=str) == sorted((tuple(row.values()) for row in answer), key=str)
        return answer

    reader.ask = ask_both
    follow(reader, "docs/duckdb.md")
    check_answers(reader.sandbox, reader.answers)
    with duckdb.connect(str(with_target), read_only=True) as connection:
        for table, wanted in columns("docs/duckdb.md").items():
            found = connection.execute(
                f"select column_name, data_type from information_schema.columns where table_name = '{table}'"
            )
            assert dict(wanted) == dict(found.fetchall())


@pytest.mark.slow
@pytest.mark.xdist_group("postgres")
def test_postgresql(reader: Reader, warehouse: Postgres) -> None:
    url = warehouse.target_config["sqlalchemy_url"]
    reader.override("target-postgres", {"sqlalchemy_url": url})
    write(reader.folder / ".env", f"TARGET_POSTGRES_SQLALCHEMY_URL={url}\n")  # for Meltano
    reader.ask = warehouse.query
    follow(reader, "docs/postgresql.md")
    check_answers(reader.sandbox, reader.answers)
    for table, wanted in columns("docs/postgresql.md").items():
        found = warehouse.query(
            "select column_name, data_type from information_schema.columns "
            f"where table_schema = 'croct' and table_name = '{table}' "
            "and column_name not like '\\_sdc%'"
        )
        assert dict(wanted) == {row["column_name"]: row["data_type"] for row in found}
