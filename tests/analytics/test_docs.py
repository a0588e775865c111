"""What docs/analytics.md and the package say of the models."""

import json
import re

import pytest

from dev.environments import ROOT
from dev.sandbox import Sandbox, World
from tests.analytics.models import KEYS
from tests.analytics.warehouses import TRANSFORM, Warehouse

PAGE = ROOT / "docs" / "analytics.md"


@pytest.mark.slow
def test_the_answers_and_the_descriptions(place: Warehouse) -> None:
    """The answers are those of the page; each column that a model really has, has a description."""
    with Sandbox(World(visits=250)) as sandbox:
        place.pipe().run(sandbox.config())
    place.dbt("run")
    found = re.findall(r"```sql\n(.+?)```\n\n```text\n(.+?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 5
    for question, answer in found:
        rows = place.ask(question)
        lines = [rows[0].keys(), *(map(str, row.values()) for row in rows)]
        assert [line.split() for line in answer.splitlines()] == [
            " ".join(line).split() for line in lines
        ]

    place.dbt("docs", "generate", "--no-compile")
    target = place.target_path(TRANSFORM)
    manifest = json.loads((target / "manifest.json").read_text())
    catalog = json.loads((target / "catalog.json").read_text())
    assert len(catalog["nodes"]) == len(KEYS) + 1  # and what an incremental run adds
    for name, node in catalog["nodes"].items():
        described = manifest["nodes"][name]
        assert described["description"]
        assert set(node["columns"]) == set(described["columns"]), name
        assert all(column["description"] for column in described["columns"].values())
