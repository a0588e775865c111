"""Run a pipeline for several time windows side by side.

    python backfill.py 2024-01-01 2026-01-01 8 -- sh -c \
        'MELTANO_SYS_DIR_ROOT=$PWD/.meltano-{window} meltano run tap-croct target-postgres'

The span from the first date (inclusive) to the second (exclusive) is cut into windows of the same
length. The command runs once for each, all at the same time, with TAP_CROCT_START_DATE and
TAP_CROCT_END_DATE set; `{window}` in it becomes the window's number. The exit code is 0 if all
of them succeeded. Run it again after a failure: each window goes on from its own state.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import datetime, timezone
from itertools import pairwise


def moment(text: str) -> datetime:
    """Read a date or date-time; without an offset, it is UTC."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def main() -> int:
    """Start a process for each window, and wait for all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("start", type=moment, help="export nothing older (inclusive)")
    parser.add_argument("end", type=moment, help="export nothing from here on (exclusive)")
    parser.add_argument("windows", type=int, help="how many windows")
    parser.add_argument("command", nargs="+", help="the pipeline, behind `--`")
    args = parser.parse_args()

    step = (args.end - args.start) / args.windows
    bounds = [args.start + step * number for number in range(args.windows)] + [args.end]
    processes = []
    for number, (start, end) in enumerate(pairwise(bounds), start=1):
        window = {
            "TAP_CROCT_START_DATE": start.isoformat(timespec="milliseconds"),
            "TAP_CROCT_END_DATE": end.isoformat(timespec="milliseconds"),
        }
        command = [part.replace("{window}", str(number)) for part in args.command]
        processes.append(subprocess.Popen(command, env={**os.environ, **window}))  # noqa: S603
    failed = [number for number, process in enumerate(processes, start=1) if process.wait() != 0]
    for number in failed:
        print(f"Window {number} failed; run the same command again", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
