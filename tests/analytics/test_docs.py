"""The questions of docs/analytics.md, and their answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb
import pytest

from dev.environments import ROOT
from dev.sandbox import Sandbox, World

if TYPE_CHECKING:
    from tests.analytics.warehouses import Warehouse

PAGE = ROOT / "docs" / "analytics.md"


@pytest.mark.slow
def test_the_answers_are_those_of_the_page(duck: Warehouse) -> None:
    with Sandbox(World(visits=250)) as sandbox:
        duck.pipe("croct").run(sandbox.config())
    duck.dbt("run", schema="analytics")
    found = re.findall(r"```sql\n(.+?)```\n\n```text\n(.+?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 5
    for question, answer in found:
        with duckdb.connect(duck.address, read_only=True) as connection:
            result = connection.execute(question)
            head = [column[0] for column in result.description or ()]
            rows = [[str(value) for value in row] for row in result.fetchall()]
        assert [line.split() for line in answer.splitlines()] == [
            " ".join(row).split() for row in (head, *rows)
        ]
