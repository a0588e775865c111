"""What the README says of settings is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev.environments import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output


def test_the_settings_table(tap: Callable[..., Output]) -> None:
    about = tap(None, "--about", "--format=markdown").stdout
    rows = [line for line in about.splitlines() if line.startswith("|")]
    readme = (ROOT / "README.md").read_text().splitlines()
    start = readme.index(rows[0])
    assert readme[start : start + len(rows)] == rows
    assert not readme[start + len(rows)].startswith("|")
