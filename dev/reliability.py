"""The figures of `docs/reliability.md`: `make reliability`.

Injects faults, kills exports, tries odd inputs, and counts what is lost and what is exported again.
"""

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from dev.crashes import BATCH, CASES, PAGE, Case, Crashes
from dev.environments import ROOT
from dev.expected import STREAMS, expected_records
from dev.running import run_tap
from dev.sandbox import Sandbox, Switches, World

HISTORIES = "Random histories of 2 to 8 runs, 3,200, each twice: records late within the lookback, and any time"
ORACLE = "Random catalogs, stream maps and depths, 3,000 cases, as the SDK has them"
ORACLE_TESTS = "tests/wire/test_oracle.py"

CHANGED = 6
"""Records that may be exported again rightly: sessions and users change with new visits."""


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
        output = run_tap(Path(folder), sandbox.config(page_size=PAGE), timeout=600)
    assert output.code == 0, output.stderr
    records = wrong = 0
    for stream in STREAMS:
        found, wanted = output.records(stream), expected_records(sandbox.world, stream)
        records += len(wanted)
        wrong += abs(len(found) - len(wanted)) + (found != wanted)
    return sandbox.injected, records, wrong


def kill(case: Case, kills: int) -> tuple[int, int, int, int]:
    """Kill exports of a kind.

    Args:
        case: The kind.
        kills: How many times.

    Returns:
        The number of kills, of records that arrived, of records that are lost, and the most records
        of a stream that were exported again after a kill.
    """
    with tempfile.TemporaryDirectory() as folder:
        crashes = Crashes(Path(folder), case, seed=11)
        crashes.run(kills)
        records = sum(map(len, crashes.records.values()))
        return crashes.kills, records, crashes.lost(), max(crashes.repeated)


def report_faults() -> bool:
    """Count what faults cost; return whether that is nothing."""
    injected, records, wrong = faults(seed=3, rate=0.3)
    print(f"Faults: {injected} injected, {records:,} records, {wrong} lost or doubled", flush=True)
    return wrong == 0


def report_kills(total: int) -> bool:
    """Count what kills cost, over all kinds of exports and in two processes at a time.

    Args:
        total: How many kills.

    Returns:
        Whether nothing was lost, and nothing repeated but two pages, or one batch, at most.
    """
    each = -(-total // len(CASES))
    with ProcessPoolExecutor(2) as pool:
        tolls = list(pool.map(kill, CASES, repeat(each)))
    for case, (kills, records, lost, most) in zip(CASES, tolls, strict=True):
        print(
            f"Kills:  {kills} of {case}: {lost} of {records:,} records lost, "
            f"at most {most} of a stream repeated after one"
        )
    all_kills, _, all_lost, _ = map(sum, zip(*tolls, strict=True))
    most = max(toll[-1] for toll in tolls)
    print(
        f"Kills:  {all_kills:,} in all, {all_lost} records lost, at most {most} of a stream "
        f"repeated after one (two pages, and one batch, are {BATCH})",
        flush=True,
    )
    return all_lost == 0 and most <= 2 * PAGE + CHANGED


def report_tests(what: str, *paths: str) -> bool:
    """Run some of the tests, on many random examples; return whether they passed.

    Args:
        what: How to call them.
        paths: Where they are.
    """
    options = ["-q", "-n", "2", "--hypothesis-profile=many"]
    command = [sys.executable, "-m", "pytest", *options, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = done.stdout.splitlines() or done.stderr.splitlines()
    print(f"{what}: {lines[-1]}" if done.returncode == 0 else done.stdout, flush=True)
    return done.returncode == 0


def main() -> None:
    """Print the figures; exit with 1 if one is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m dev.reliability", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, metavar="N", help="default: 1000")
    options = parser.parse_args()
    good = [
        report_faults(),
        report_kills(options.kills),
        report_tests(HISTORIES, "tests/unit/test_histories.py"),
        report_tests(ORACLE, ORACLE_TESTS),
        report_tests("Edges, bad inputs and odd values", "tests/wire", f"--ignore={ORACLE_TESTS}"),
    ]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
