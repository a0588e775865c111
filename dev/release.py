"""Checks before a release, and its notes: `python -m dev.release v1.2.3` prints them.

The tag, the version in `pyproject.toml` and the changelog have to agree, and `[project.urls]` has to say
where the repository is.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
URLS = ("Homepage", "Documentation", "Changelog", "Issues", "Source")
"""What `[project.urls]` has to hold."""


class ReleaseError(Exception):
    """The repository is not ready for the release."""


def notes(tag: str, root: Path = ROOT) -> str:
    """Check that a tag can be released, and return what changed since the release before.

    Args:
        tag: Name of the tag, such as `v0.2.0`.
        root: Folder of the repository.

    Returns:
        The version's section of `CHANGELOG.md`, as Markdown, without its heading.

    Raises:
        ReleaseError: If tag, version and changelog do not agree, or a URL is missing.
    """
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    version = str(project["version"])
    if tag != f"v{version}":
        message = f"The tag is {tag}, but the version in pyproject.toml is {version}"
        raise ReleaseError(message)
    if missing := [name for name in URLS if name not in project.get("urls", {})]:
        message = f"[project.urls] in pyproject.toml lacks {', '.join(missing)}"
        raise ReleaseError(message)
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    pattern = rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)"
    section = re.search(pattern, changelog, re.DOTALL | re.MULTILINE)
    if section is None or not section[1].strip():
        message = f"CHANGELOG.md has no dated section for {version}, or an empty one"
        raise ReleaseError(message)
    return section[1].strip() + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.write(notes(sys.argv[1]))
    except ReleaseError as error:
        sys.exit(str(error))
