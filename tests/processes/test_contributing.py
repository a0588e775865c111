"""What CONTRIBUTING says about the sandbox and `make clean`."""

import re
import shutil
import subprocess
from pathlib import Path

from dev.environments import ROOT
from dev.sandbox import Switches


def test_the_key_of_the_sandbox() -> None:
    """What follows it in that block is run by the test of all pages."""
    assert f"TAP_CROCT_API_KEY={Switches().api_key}\n" in (ROOT / "CONTRIBUTING.md").read_text()


def test_make_clean_removes_only_what_make_installed(tmp_path: Path) -> None:
    """Warehouses, their states, and what the docs have people install stay, and are named."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    folders = {f.strip("/").replace("*", "any") for f in ignored if f.endswith("/")}
    assert {"output", ".meltano", "target", ".venv", ".tools"} <= folders
    for folder in folders:
        (tmp_path / folder).mkdir()
    for made in ("demo", "mine"):
        (tmp_path / "output" / made).mkdir()
    for file in (".env", "config.json", "state.json", "output/warehouse.duckdb"):
        (tmp_path / file).touch()
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    done = subprocess.run(["make", "clean"], cwd=tmp_path, check=True, stdout=subprocess.PIPE)
    after = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    assert {str(path) for path in before - after} == {".venv", ".tools", "output/demo"}
    left = re.findall(r"(?m)^Left: (.+)$", done.stdout.decode())
    assert {".meltano", "output/mine", "output/warehouse.duckdb", "target"} <= set(left)
