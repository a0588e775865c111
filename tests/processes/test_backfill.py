"""Windows of the history, side by side, then one incremental pipeline without a gap."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.environments import ROOT
from dev.expected import STREAMS, by_key, expected_records, moment
from dev.running import TAP, clean_environment, run_tap
from dev.sandbox.world import BEGINNING, DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.sandbox import Sandbox

    Start = Callable[..., Sandbox]

SCRIPT = ROOT / "docs" / "backfill.py"


def backfill(folder: Path, sandbox: Sandbox, end: int, windows: int) -> float:
    """Export a history into a file for each window; return the seconds that it took."""
    started = time.monotonic()
    pipeline = f"{' '.join(TAP)} --config=ENV > {folder}/window-{{window}}.jsonl 2>/dev/null"
    subprocess.run(
        [sys.executable, SCRIPT, moment(BEGINNING), moment(end), str(windows), "--",
         "sh", "-c", pipeline],
        check=True,
        env=clean_environment(
            PYTHONPATH=str(Path.cwd()),
            TAP_CROCT_API_KEY=sandbox.switches.api_key,
            TAP_CROCT_API_URL=sandbox.url,
            TAP_CROCT_PAGE_SIZE="25",
            TAP_CROCT_TIME_UNIT="milliseconds",
        ),
    )  # fmt: skip
    return time.monotonic() - started


def loaded(folder: Path, stream: str) -> list[dict[str, Any]]:
    messages = [
        json.loads(line)
        for file in sorted(folder.glob("window-*.jsonl"))
        for line in file.read_text(encoding="utf-8").split("\n")
        if line
    ]
    return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]


@pytest.mark.slow
def test_windows_side_by_side(start: Start, tmp_path: Path) -> None:
    sandbox = start(visits=150, latency=0.2)
    one, four = tmp_path / "one", tmp_path / "four"
    one.mkdir()
    four.mkdir()
    end = sandbox.world.now + DAY // 24

    # The incremental pipeline comes first: its cursor stands before anything that comes later.
    seam = {"bookmarks": {s: {"replication_key_value": moment(end)} for s in STREAMS}}
    config = sandbox.config(page_size=1000, time_unit="milliseconds")
    incremental = run_tap(tmp_path, config, state=seam)
    records = {stream: incremental.records(stream) for stream in STREAMS}

    alone = backfill(one, sandbox, end, 1)
    together = backfill(four, sandbox, end, 4)
    assert alone / together >= 0.7 * 4

    for stream in STREAMS:
        wanted = expected_records(sandbox.world, stream)
        assert by_key(stream, loaded(one, stream)) == by_key(stream, wanted)
        assert sorted(loaded(four, stream), key=json.dumps) == sorted(wanted, key=json.dumps)

    # Events of any age arrive while and after the windows are read.
    sandbox.world.late_events(5)
    old = {**sandbox.world.items("events")[0], "id": "very-late", "timestamp": BEGINNING + 1}
    sandbox.world.logs["events"].extend([old])
    sandbox.world.visits(3)
    incremental = run_tap(tmp_path, config, state=incremental.state)
    for stream in STREAMS:
        everything = loaded(four, stream) + records[stream] + incremental.records(stream)
        assert by_key(stream, everything) == by_key(stream, expected_records(sandbox.world, stream))


def test_a_window_that_fails(tmp_path: Path) -> None:
    command = f"test {{window}} != 2 && echo $TAP_CROCT_START_DATE > {tmp_path}/{{window}}"
    done = subprocess.run(
        [sys.executable, SCRIPT, "2026-01-01", "2026-01-05", "4", "--", "sh", "-c", command],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Window 2 failed" in done.stderr
    assert (tmp_path / "3").read_text() == "2026-01-03T00:00:00.000+00:00\n"
    assert {file.name for file in tmp_path.iterdir()} == {"1", "3", "4"}
