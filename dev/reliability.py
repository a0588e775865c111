"""The figures of `docs/reliability.md`: `make reliability`.

Injects faults, kills runs, tries bad inputs, and counts what is lost and what comes again.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from dev.crashes import Crashes
from dev.environments import ROOT
from dev.expected import STREAMS, expected_records
from dev.running import run_tap
from dev.sandbox import Fault, Sandbox, World
from dev.sandbox.faults import TRANSIENT

KILLS = 50


class Unreliable(Sandbox):
    """A sandbox in which many requests meet a transient fault, of all kinds."""

    def __init__(self, seed: int, rate: float) -> None:
        """Make one.

        Args:
            seed: For what happens when.
            rate: Share of the requests that fail.
        """
        super().__init__(World(seed, visits=60))
        self.injected: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._rate = rate

    def fault(self, request: Any) -> Fault | None:
        """Return a fault now and then, never three in a row."""
        del request
        if self._random.random() >= self._rate:
            return None
        kind = self._random.choice([kind for kind in TRANSIENT if kind != "hang"])
        self.injected[kind] += 1
        return TRANSIENT[kind]


def faults(seed: int, rate: float) -> tuple[int, int, int]:
    """Export through many faults; return their number, the records, and those lost or doubled."""
    with tempfile.TemporaryDirectory() as folder, Unreliable(seed, rate) as sandbox:
        output = run_tap(Path(folder), sandbox.config(page_size=25), timeout=600)
        assert output.code == 0, output.stderr
        wanted = {stream: expected_records(sandbox.world, stream) for stream in STREAMS}
        wrong = sum(
            abs(len(output.records(stream)) - len(wanted[stream]))
            + (output.records(stream) != wanted[stream])
            for stream in STREAMS
        )
        return sandbox.injected.total(), sum(map(len, wanted.values())), wrong


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
