"""Serve the sandbox, a stand-in for the Croct Export API, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

from dev.sandbox import Sandbox, Switches, World
from dev.sandbox.api import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = {signal.SIGINT, signal.SIGTERM}


def _number(
    kind: Callable[[str], float], low: float, high: float = float("inf")
) -> Callable[[str], float]:
    """Return a check for an option: a number from `low` to `high`."""

    def parse(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            upper = "" if high == float("inf") else f" to {high}"
            msg = f"must be a number from {low}{upper}"
            raise argparse.ArgumentTypeError(msg)
        return value

    parse.__name__ = kind.__name__
    return parse


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.sandbox", description=__doc__)
    add = parser.add_argument
    add("--port", type=_number(int, 0, 65535), default=4000, help="default: 4000; 0: a free one")
    add(
        "--visits",
        type=_number(int, 0),
        default=250,
        metavar="N",
        help="visits to the shop that have happened; about 25 events each (default: 250)",
    )
    add(
        "--latency",
        type=_number(float, 0),
        default=0.0,
        metavar="SECONDS",
        help="wait before each answer (default: 0)",
    )
    add(
        "--faults",
        type=_number(float, 0, 1),
        default=0.0,
        metavar="RATE",
        help="share of the requests that fail at random: 0.2 for a fifth (default: 0)",
    )
    add(
        "--time-unit",
        choices=("milliseconds", "seconds"),
        default="milliseconds",
        help="unit in which the API reads `start` and `end` (default: milliseconds)",
    )
    add(
        "--end",
        choices=("cursor", "null", "empty"),
        default="cursor",
        help="`nextCursor` of the last page: a cursor (then an empty page follows), null or empty",
    )
    add("--problem", choices=PROBLEMS, help="answer every request with a problem of the API")
    add("--no-ids", action="store_true", help="events without `id`, as in contracts before 0.6.0")
    add(
        "--currencies",
        action="store_true",
        help="people pay in the currency of their country (default: all in EUR)",
    )
    add("--seed", type=int, default=1, help="another seed, another history (default: 1)")
    return parser.parse_args()  # fmt: skip


def main() -> None:
    """Serve until a signal; exit with 1 and a message if the port cannot be had."""
    options = _options()
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
    except OSError as error:
        sys.exit(
            f"Cannot listen on port {options.port}: {error.strerror}. "
            "Choose another one with --port, or 0 for a free one."
        )
    with sandbox:
        counts = ", ".join(f"{len(world.items(name)):,} {name}" for name in world.logs)
        base = sandbox.url.removesuffix("/export")
        print(f"The sandbox has {counts}. Settings for the tap:")
        print(f"  export TAP_CROCT_API_URL={sandbox.url} TAP_CROCT_API_KEY={switches.api_key}")
        print(f"New data: curl -X POST '{base}/sandbox/visits?count=50'")
        print(
            "          (also: late-events, late-orders, changed-users). Ctrl-C stops it.",
            flush=True,
        )
        signal.sigwait(SIGNALS)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    main()
