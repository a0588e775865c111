"""Serve the sandbox, a stand-in for the Croct Export API, until Ctrl-C."""

import argparse
import signal
import sys
from typing import Any

from dev.sandbox import Sandbox, Switches, World
from dev.sandbox.api import ENDS, PROBLEMS, UNITS

SIGNALS = {signal.SIGINT, signal.SIGTERM}


OPTIONS: dict[str, dict[str, Any]] = {
    "--port": {"type": int, "default": 4000, "help": "on this machine; 0: a free one"},
    "--visits": {"type": int, "default": 250, "help": "that have happened, about 25 events each"},
    "--latency": {"type": float, "default": 0.0, "help": "seconds before each answer"},
    "--faults": {"type": float, "default": 0.0, "help": "share of requests that fail at random"},
    "--time-unit": {"choices": UNITS, "default": UNITS[0], "help": "of `start` and `end`"},
    "--end": {"choices": ENDS, "default": ENDS[0], "help": "`nextCursor` of the last page"},
    "--problem": {"choices": PROBLEMS, "help": "of the API, as the answer to every request"},
    "--no-ids": {"action": "store_true", "help": "events without `id`, as before 0.6.0"},
    "--currencies": {"action": "store_true", "help": "people pay in their country's, not in EUR"},
    "--seed": {"type": int, "default": 1, "help": "another seed, another history"},
}


def main() -> None:
    """Serve until a signal; exit with 1 and a message if the port cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.sandbox",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, meaning in OPTIONS.items():
        parser.add_argument(name, **meaning)
    options = parser.parse_args()
    switches = Switches(
        time_unit=options.time_unit,
        end=options.end,
        latency=options.latency,
        faults=options.faults,
        problem=options.problem,
    )
    world = World(
        options.seed, options.visits, ids=not options.no_ids, currencies=options.currencies
    )
    try:
        sandbox = Sandbox(world, switches, options.port)
    except (OSError, OverflowError) as error:
        sys.exit(f"Cannot listen on port {options.port}: {error}. Choose another with --port.")
    with sandbox:
        counts = ", ".join(f"{len(world.items(name)):,} {name}" for name in world.logs)
        base = sandbox.url.removesuffix("/export")
        print(f"The sandbox has {counts}. Settings for the tap:")
        print(f"  export TAP_CROCT_API_URL={sandbox.url} TAP_CROCT_API_KEY={switches.api_key}")
        print(f"New data, some of it late: curl -X POST '{base}/sandbox/visits?count=50'")
        print("Ctrl-C stops it.", flush=True)
        signal.sigwait(SIGNALS)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    main()
