"""Run the fast tests on every supported Python of this machine: `make test-pythons`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from dev.environments import REQUIREMENTS, ROOT

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
FOLDER = ROOT / ".tools" / "pythons"


def find(version: str) -> str | None:
    """Return a Python that runs: one on the path, or one that pyenv or uv installed.

    Args:
        version: Such as "3.12".
    """
    candidates = [
        shutil.which(f"python{version}") or "",
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
        *map(str, Path.home().glob(f".local/share/uv/python/cpython-{version}.*/bin/python3")),
    ]
    for python in filter(None, candidates):
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return None


def passes(version: str, python: str) -> bool:
    """Install the tap and its tests as `make` does, run them, and tell whether they pass."""
    folder = FOLDER / version
    own = str(folder / "bin" / "python")
    pip = [own, "-m", "pip", "install", "--quiet"]
    commands = [
        [python, "-m", "venv", "--clear", str(folder)],
        [*pip, "--upgrade", "pip>=25.1"],  # for groups
        [*pip, "--constraint", str(REQUIREMENTS / "tap.txt"), "--editable", str(ROOT),
         "--group", f"{ROOT}/pyproject.toml:test", "--group", f"{ROOT}/pyproject.toml:lint"],
        [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "-m", "not slow"],
    ]  # fmt: skip
    return all(
        subprocess.run(command, cwd=ROOT, check=False).returncode == 0 for command in commands
    )


def main() -> None:
    """Run them all; exit with 1 if tests fail on one, or if there is none."""
    found = {version: python for version in PYTHONS if (python := find(version))}
    results = {}
    for version, python in found.items():
        print(f"\nPython {version} ({python})", flush=True)
        results[version] = passes(version, python)
    print()
    for version in PYTHONS:
        outcome = {True: "passed", False: "FAILED", None: "not on this machine"}
        print(f"Python {version}: {outcome[results.get(version)]}")
    sys.exit(not results or not all(results.values()))


if __name__ == "__main__":
    main()
