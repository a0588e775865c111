"""What a release is checked for before it is built."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dev.release import ROOT, URLS, ReleaseError, notes

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = """\
# Changelog

## 1.2.3 (2026-01-02)

### Added

- This.

## 1.2.2 (2026-01-01)

- That.
"""


ADDRESSES = "".join(f'{name} = "https://a.example/{name}"\n' for name in URLS)


def repository(folder: Path, *, version: str = "1.2.3", urls: str = ADDRESSES) -> Path:
    project = f'[project]\nversion = "{version}"\n[project.urls]\n{urls}'
    (folder / "pyproject.toml").write_text(project)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    return folder


def test_the_notes(tmp_path: Path) -> None:
    assert notes("v1.2.3", repository(tmp_path)) == "### Added\n\n- This.\n"


@pytest.mark.parametrize(
    ("tag", "options", "said"),
    [
        ("v1.2.4", {}, "The tag is v1.2.4, but the version in pyproject.toml is 1.2.3"),
        ("1.2.3", {}, "The tag is 1.2.3"),
        ("v1.2.3", {"urls": ""}, r"\[project.urls\] in pyproject.toml lacks Homepage, Documen"),
        ("v1.2.3", {"urls": ADDRESSES.replace("Issues", "Bugs")}, "lacks Issues"),
        ("v1.3.0", {"version": "1.3.0"}, "has no dated section for 1.3.0"),
    ],
)
def test_what_stops_a_release(tmp_path: Path, tag: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(ReleaseError, match=said):
        notes(tag, repository(tmp_path, **options))


def test_this_version_has_notes(tmp_path: Path) -> None:
    """All that this repository may lack for a release is its address."""
    text = (ROOT / "pyproject.toml").read_text()
    if "[project.urls]" not in text:
        text += f"\n[project.urls]\n{ADDRESSES}"
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "CHANGELOG.md").write_text((ROOT / "CHANGELOG.md").read_text())
    version = notes.__globals__["tomllib"].loads(text)["project"]["version"]
    assert notes(f"v{version}", tmp_path).strip()


def test_the_command_fails_with_a_message() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dev.release", "v0.0.0"],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("The tag is v0.0.0, but")
    assert done.stdout == ""
