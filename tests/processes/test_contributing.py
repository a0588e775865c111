"""The sandbox from a second terminal, as CONTRIBUTING has it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from dev.environments import ROOT
from dev.running import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fixtures import Start


def test_the_second_terminal(start: Start, tmp_path: Path) -> None:
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
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "state.json").read_text())["value"]["bookmarks"]["users"]
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"type"'))
    records = [line for line in lines if line["type"] == "RECORD"]
    assert sum(record["stream"] == "sessions" for record in records) == 50
    assert len(sandbox.world.items("sessions")) == before + 50
