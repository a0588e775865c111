"""What the release workflow checks before it builds anything."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dev.environments import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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


VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OWN = (ROOT / "pyproject.toml").read_text() + "\n[project.urls]\n"
"""All that this repository may lack for a release is its address."""


@pytest.mark.parametrize(
    ("tag", "project", "changelog", "notes"),
    [
        ("v1.2.3", PROJECT, CHANGELOG, "- This."),
        (f"v{VERSION}", OWN, (ROOT / "CHANGELOG.md").read_text(), "###"),
        ("v1.2.4", PROJECT, CHANGELOG, None),
        ("v1.2.3", PROJECT.replace("urls", "scripts"), CHANGELOG, None),
        ("v1.2.3", PROJECT, CHANGELOG.replace("1.2.3 (", "1.2.1 ("), None),
        ("v1.2.3", PROJECT, CHANGELOG.replace("2026-01-02", "unreleased"), None),
        ("v1.2.3", PROJECT, CHANGELOG.replace("- This.", "").replace("### Added", ""), None),
    ],
)
def test_tag_version_and_changelog_agree(
    tmp_path: Path, tag: str, project: str, changelog: str, notes: str | None
) -> None:
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    (step,) = [s["run"] for s in workflow["jobs"]["build"]["steps"] if "notes" in s.get("name", "")]
    done = subprocess.run(
        ["bash", "-e", "-c", step],
        cwd=tmp_path, env={"GITHUB_REF_NAME": tag}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, "::error::" in done.stdout) == (
        (1, True) if notes is None else (0, False)
    )
    if notes is not None:
        written = (tmp_path / "notes.md").read_text()
        assert notes in written
        assert "\n## " not in f"\n{written}"
