"""The figures of `docs/reliability.md`: `make reliability`.

Injects faults, kills runs, tries bad inputs, and counts what is lost and what comes again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from dev.crashes import Crashes
from dev.environments import ROOT
from dev.expected import STREAMS, expected_records
from dev.running import run_tap
from dev.sandbox import Sandbox, Switches, World

KILLS = 50


def faults(seed: int, rate: float) -> tuple[int, int, int]:
    """Export through many faults.

    Args:
        seed: For the data.
        rate: Share of the requests that fail.

    Returns:
        The number of faults, of records, and of records that are lost or doubled.
    """
    sandbox = Sandbox(World(seed, visits=60), Switches(faults=rate))
    with tempfile.TemporaryDirectory() as folder, sandbox:
        output = run_tap(Path(folder), sandbox.config(page_size=25), timeout=600)
    assert output.code == 0, output.stderr
    wanted = {stream: expected_records(sandbox.world, stream) for stream in STREAMS}
    wrong = sum(
        abs(len(output.records(stream)) - len(wanted[stream]))
        + (output.records(stream) != wanted[stream])
        for stream in STREAMS
    )
    return sandbox.random_faults.injected, sum(map(len, wanted.values())), wrong


def kills(end: str, count: int) -> Crashes:
    """Kill an export again and again until it is through."""
    with tempfile.TemporaryDirectory() as folder:
        crashes = Crashes(Path(folder), end, seed=11)
        crashes.run(kills=count)
    return crashes


def bad_inputs() -> bool:
    """Run the tables of wrong settings, states and catalogs; tell whether all of them passed."""
    rooms = ["tests/wire/test_settings.py", "tests/wire/test_inputs.py"]
    command = [sys.executable, "-m", "pytest", "-q", *rooms]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    print(f"Bad inputs: {done.stdout.splitlines()[-1]}")
    return done.returncode == 0


def main() -> None:
    failed = False
    injected, records, wrong = faults(seed=3, rate=0.3)
    failed |= wrong > 0
    print(
        f"Faults:     {injected} injected, {records:,} records, {wrong} lost or doubled", flush=True
    )
    for end in ("cursor", "null", "empty"):
        crashes = kills(end, KILLS)
        lost = sum(crashes.lost(stream) for stream in STREAMS)
        most = max(crashes.repeated)
        failed |= lost > 0
        print(
            f"Kills:      {crashes.kills} of an export that ends on {end:<6}: {lost} records lost, "
            f"at most {most} of a stream repeated after one (a page is 25)",
            flush=True,
        )
    failed |= not bad_inputs()
    sys.exit(failed)


if __name__ == "__main__":
    main()
