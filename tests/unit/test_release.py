"""What the release workflow checks before it builds anything."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from dev.environments import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """\
[project]
version = "1.2.3"
[project.urls]
Homepage = "https://a.example"
"""
CHANGELOG = """\
# Changelog

## 1.2.3 (2026-01-02)

### Added

- This.

## 1.2.2 (2026-01-01)

- That.
"""


def check(folder: Path, tag: str) -> tuple[int, str, str]:
    """Run the step on a repository; return its exit code, what it says, and the notes."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    (step,) = [s["run"] for s in workflow["jobs"]["build"]["steps"] if "notes" in s.get("name", "")]
    done = subprocess.run(
        ["bash", "-e", "-c", step],
        cwd=folder, env={"GITHUB_REF_NAME": tag}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    notes = folder / "notes.md"
    return done.returncode, done.stdout, notes.read_text() if notes.exists() else ""


@pytest.mark.parametrize(
    ("tag", "project", "changelog", "said"),
    [
        ("v1.2.3", PROJECT, CHANGELOG, ""),
        ("v1.2.4", PROJECT, CHANGELOG, "pyproject.toml has another version than the tag"),
        ("v1.2.3", PROJECT.replace("urls", "scripts"), CHANGELOG, "no [project.urls]"),
        ("v1.2.3", PROJECT, CHANGELOG.replace("1.2.3 (", "1.2.1 ("), "no dated section for 1.2.3"),
        ("v1.2.3", PROJECT, CHANGELOG.replace("2026-01-02", "unreleased"), "no dated section"),
    ],
)
def test_tag_version_and_changelog_agree(
    tmp_path: Path, tag: str, project: str, changelog: str, said: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    code, output, notes = check(tmp_path, tag)
    assert (code, said in output) == (1 if said else 0, True)
    assert said or notes.strip() == "### Added\n\n- This."


def test_this_version_has_notes(tmp_path: Path) -> None:
    """All that this repository may lack for a release is its address."""
    text = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(f"{text}\n[project.urls]\n")
    (tmp_path / "CHANGELOG.md").write_text((ROOT / "CHANGELOG.md").read_text())
    version = text.split('\nversion = "')[1].split('"')[0]
    code, said, notes = check(tmp_path, f"v{version}")
    assert code == 0, said
    assert notes.strip()
