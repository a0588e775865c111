"""The figures of `docs/reliability.md`: `make reliability`.

Injects faults and kills exports, and counts what is lost and what is exported again.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from dev.crashes import BATCH, CASES, PAGE, Case, Crashes
from dev.expected import STREAMS, expected_records
from dev.running import run_tap
from dev.sandbox import Sandbox, Switches, World

CHANGED = 6
"""Records that may be exported again rightly: sessions and users change with new visits."""


def faults() -> bool:
    """Export through many faults, 30% of all requests; return whether nothing is lost or doubled."""
    sandbox = Sandbox(World(seed=3, visits=60), Switches(faults=0.3))
    with tempfile.TemporaryDirectory() as folder, sandbox:
        output = run_tap(Path(folder), sandbox.config(page_size=PAGE), timeout=600)
    assert output.code == 0, output.stderr
    records = wrong = 0
    for stream in STREAMS:
        found, wanted = output.records(stream), expected_records(sandbox.world, stream)
        records += len(wanted)
        wrong += abs(len(found) - len(wanted)) + (found != wanted)
    print(
        f"Faults: {sandbox.injected} injected, {records:,} records, {wrong} lost or doubled",
        flush=True,
    )
    return wrong == 0


def kill(case: Case, kills: int) -> tuple[int, int, int]:
    """Kill exports of a kind.

    Args:
        case: The kind.
        kills: How many times.

    Returns:
        The number of kills, of records that are lost, and the most records of a stream that were
        exported again after a kill.
    """
    with tempfile.TemporaryDirectory() as folder:
        crashes = Crashes(Path(folder), case, seed=11)
        crashes.run(kills)
    lost, most = crashes.lost(), max(crashes.repeated)
    records = sum(map(len, crashes.records.values()))
    print(
        f"Kills:  {crashes.kills} of {', '.join(case)}: {lost} of {records:,} records lost, "
        f"at most {most} of a stream repeated after one",
        flush=True,
    )
    return crashes.kills, lost, most


def kills(total: int) -> bool:
    """Count what kills cost, over all kinds of exports and in two processes at a time.

    Args:
        total: How many kills.

    Returns:
        Whether nothing was lost, and nothing repeated but two pages, or one batch, at most.
    """
    each = -(-total // len(CASES))
    with ProcessPoolExecutor(2) as pool:
        tolls = list(pool.map(kill, CASES, repeat(each)))
    done = sum(toll[0] for toll in tolls)
    lost = sum(toll[1] for toll in tolls)
    most = max(toll[2] for toll in tolls)
    print(
        f"Kills:  {done:,} in all, {lost} records lost, at most {most} of a stream "
        f"repeated after one (two pages, and one batch, are {BATCH})"
    )
    return lost == 0 and most <= 2 * PAGE + CHANGED


def main() -> None:
    """Print the figures; exit with 1 if one is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m dev.reliability", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, metavar="N", help="default: 1000")
    options = parser.parse_args()
    good = [faults(), kills(options.kills)]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
