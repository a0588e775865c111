"""What the release workflow checks before it builds anything."""

import subprocess
from pathlib import Path

import pytest
import yaml

from dev.environments import ROOT
from tests.support import documents

PROJECT = (ROOT / "pyproject.toml").read_text() + "\n[project.urls]\n"
"""All that this repository may lack for a release is its address."""

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
VERSION = documents.PROJECT["project"]["version"]
TAG = f"v{VERSION}"
EMPTY = f"## {VERSION} (2026-01-02)\n\n## 0.0.1 (2026-01-01)\n\n- That.\n"


@pytest.mark.parametrize(
    ("tag", "project", "changelog", "notes"),
    [
        (TAG, PROJECT, CHANGELOG, "###"),
        (TAG, PROJECT, EMPTY.replace("## 0.0.1", "- This.\n\n## 0.0.1"), "- This."),
        (TAG, PROJECT, EMPTY, None),
        ("v9.9.9", PROJECT, CHANGELOG, None),
        (TAG, PROJECT.replace("[project.urls]", "[project.other]"), CHANGELOG, None),
        (TAG, PROJECT, CHANGELOG.replace(f"## {VERSION} (", "## 9.9.9 ("), None),
        (TAG, PROJECT, EMPTY.replace("2026-01-02", "unreleased"), None),
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
