"""The sandbox as people start it, and what CONTRIBUTING says about it and `make clean`."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from dev.environments import ROOT
from dev.running import Output
from dev.sandbox import Switches
from dev.sandbox.api import EVENT_TYPES
from tap_croct import schemas


@pytest.mark.slow
def test_what_it_says_is_enough_to_run_the_tap(tap: Callable[..., Output]) -> None:
    options = ["--visits=5", "--latency=0.05", "--faults=0.2", "--end=null", "--time-unit=seconds"]
    command = [sys.executable, "-m", "dev.sandbox", "--port=0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            use(said, tap)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0


def use(said: str, tap: Callable[..., Output]) -> None:
    """Do what the sandbox says."""
    settings = dict(re.findall(r"(TAP_CROCT_\w+)=(\S+)", said))
    first = tap(None, "--config=ENV", TAP_CROCT_PAGE_SIZE="10", **settings)
    assert first.code == 0, first.stderr
    counts = first.counts()
    assert f"{counts['events']} events, 5 sessions, {counts['users']} users" in said
    assert "; retry 1 of " in first.stderr
    (command,) = re.findall(r"curl -X POST '(\S+)'", said)
    assert requests.post(command, timeout=10).status_code == 200
    again = tap(None, "--config=ENV", state=first.state, **settings)
    assert again.counts()["sessions"] > 5


def test_it_knows_the_types_of_events_by_itself() -> None:
    """Two lists, written apart, agree."""
    assert set(schemas.EVENT_TYPES) == EVENT_TYPES


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
