"""The sandbox from a second terminal, as CONTRIBUTING has it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from dev.environments import ROOT
from dev.running import Output, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.sandbox import Sandbox


def test_the_second_terminal(start: Callable[..., Sandbox], tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (commands,) = re.findall(r"```bash\n(export TAP_CROCT_API_URL=.+?)```", text, re.DOTALL)
    sandbox = start(visits=10)
    assert f"TAP_CROCT_API_KEY={sandbox.switches.api_key}\n" in commands
    commands = commands.replace("http://127.0.0.1:4000/export", sandbox.url)
    commands = commands.replace("http://127.0.0.1:4000", sandbox.url.removesuffix("/export"))
    commands = commands.replace(
        ".venv/bin/tap-croct", f"{shlex.quote(sys.executable)} -m tap_croct"
    )
    assert ":4000" not in commands
    before = len(sandbox.world.items("sessions"))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, check=False, text=True,
        env=clean_environment(PYTHONPATH=str(ROOT)), capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "state.json").read_text())["value"]["bookmarks"]["users"]
    assert len(Output(0, done.stdout.partition("{}")[2], "").records("sessions")) == 50
    assert len(sandbox.world.items("sessions")) == before + 50


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
