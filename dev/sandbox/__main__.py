"""Serve the sandbox: `python -m dev.sandbox`."""

from __future__ import annotations

import argparse
import signal

from dev.sandbox import Sandbox, Switches, World


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dev.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--visits", type=int, default=250)
    parser.add_argument("--time-unit", choices=("milliseconds", "seconds"), default="milliseconds")
    parser.add_argument("--end", choices=("cursor", "null", "empty"), default="cursor")
    parser.add_argument("--no-ids", action="store_true", help="events without `id`")
    args = parser.parse_args()

    world = World(args.seed, args.visits, ids=not args.no_ids)
    with Sandbox(world, Switches(args.time_unit, args.end), args.port) as sandbox:
        counts = ", ".join(f"{len(world.items(name)):,} {name}" for name in world.logs)
        print(f"{sandbox.url} with the key {sandbox.switches.api_key}: {counts}", flush=True)
        print("POST /sandbox/visits?count=50 brings more. Ctrl-C ends it.", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
