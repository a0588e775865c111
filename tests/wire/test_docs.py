"""What the README says of settings is so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dev.environments import ROOT
from tests.support.docs import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output
    from dev.sandbox import Sandbox


def test_the_settings_table(tap: Callable[..., Output]) -> None:
    about = tap(None, "--about", "--format=markdown").stdout
    rows = [line for line in about.splitlines() if line.startswith("|")]
    readme = (ROOT / "README.md").read_text().splitlines()
    start = readme.index(rows[0])
    assert readme[start : start + len(rows)] == rows
    assert not readme[start + len(rows)].startswith("|")


def test_the_recipes_are_valid(sandbox: Sandbox, tap: Callable[..., Output]) -> None:
    for recipe in blocks("README.md", "json"):
        output = tap(sandbox.config(**json.loads(recipe)), "--test=schema")
        assert output.code == 0, output.stderr
        assert output.warnings == []
