"""How the first export's time falls with parallel intervals: `make scale`.

Airflow with CeleryExecutor, a Redis server as the broker and two workers loads the same history into
PostgreSQL with one, two, four and eight intervals at a time, from a sandbox that takes 200 ms a
page. Once more, a worker is killed in the middle. Each time, the warehouse equals the source.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

from dev.airflow import Airflow
from dev.environments import ROOT, environment
from dev.expected import STREAMS, moment
from dev.meltano_project import MeltanoProject
from dev.postgres import Postgres, postgres
from dev.processes import descendants, wait_until
from dev.running import TAP, clean_environment, write
from dev.sandbox import Sandbox, Switches, World
from dev.sandbox.world import BEGINNING, DAY
from dev.warehouse import postgres_differences

INTERVALS = 8
LATENCY = 0.2
PAGE_SIZE = 5
"""Small, so that a small history has many pages: its time is the API's latency, as with a large one."""

LEAST = 2.8
"""How many times as fast as one interval at a time four have to be."""


def say(text: str) -> None:
    print(text, flush=True)


class Scale:
    """The deployment, and what is measured on it."""

    def __init__(self, stack: ExitStack) -> None:
        """Start everything; it stops with the stack."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale")))
        self.database: Postgres = stack.enter_context(postgres())
        self.pages = 0
        self.world = World(visits=0)
        while self.world.now < BEGINNING + INTERVALS * DAY:
            self.world.visits(1)
        self.sandbox = stack.enter_context(Sandbox(self.world, Switches(latency=LATENCY)))
        project = MeltanoProject(folder / "project", self.sandbox, self.database)
        project.install()
        variables = {
            **project.variables,
            "AIRFLOW_VAR_CROCT_PROJECT": str(project.folder),
            "AIRFLOW_VAR_CROCT_MELTANO": project.variables["CROCT_MELTANO"],
            "AIRFLOW_VAR_CROCT_HISTORY_INTERVAL": "day",
            "AIRFLOW_VAR_CROCT_RETRY_SECONDS": "1",
            "TAP_CROCT_PAGE_SIZE": str(PAGE_SIZE),
            "TAP_CROCT_TIME_UNIT": "milliseconds",
            # How soon a task whose worker is gone is tried again; five minutes by default.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
        }
        self.airflow = stack.enter_context(
            Airflow(folder / "airflow", self.database, variables, workers=2)
        )
        self.airflow.run("airflow dags unpause croct_history")
        # The tables first, as the incremental pipeline makes them.
        project.run("run", "tap-croct", "target-postgres", variables={"TAP_CROCT_MAX_RECORDS": "1"})

    def start(self, at_a_time: int) -> None:
        """Empty the warehouse and have Airflow load the history.

        Args:
            at_a_time: Number of parallel intervals.
        """
        for stream in STREAMS:
            self.database.execute(f"truncate croct.{stream}")
        self.sandbox.requests.clear()
        start, end = (moment(BEGINNING + days * DAY) for days in (0, INTERVALS - 1))
        self.airflow.run(
            f"airflow backfill create --dag-id croct_history --from-date {start} --to-date {end} "
            f"--max-active-runs {at_a_time} --reprocess-behavior completed"
        )

    def unfinished(self) -> int:
        """Return how many of the backfill's runs have not ended yet."""
        states = self.airflow.runs("croct_history").values()
        return sum(state in ("queued", "running") for state in states)

    def finish(self) -> None:
        """Wait for the last run; exit if the warehouse does not equal the source."""
        wait_until("all intervals are loaded", lambda: self.unfinished() == 0, 1800)
        self.airflow.wait_for_backfill()
        failed = [s for s, state in self.airflow.runs("croct_history").items() if state == "failed"]
        if failed:
            sys.exit(f"Failed: {failed}")
        lines = []
        for stream in STREAMS:
            end = BEGINNING + INTERVALS * DAY
            lines += postgres_differences(self.database, self.world, stream, before=end)
        if lines:
            sys.exit("The warehouse differs from the source:\n" + "\n".join(lines[:20]))

    def measure(self, at_a_time: int) -> float:
        """Return the seconds from the start of the first task to the end of the last."""
        self.start(at_a_time)
        self.finish()
        self.pages = len(self.sandbox.requests)
        (row,) = self.database.query(
            "select extract(epoch from max(end_date) - min(start_date)) as seconds "
            "from task_instance where dag_id = 'croct_history'",
            "airflow",
        )
        return float(row["seconds"])

    def kill_a_worker(self) -> str:
        """Kill a worker and all that it runs while it loads; return what came of it."""
        before = sum(self.airflow.tries("croct_history").values())
        self.start(4)
        wait_until("a quarter is read", lambda: len(self.sandbox.requests) > self.pages / 4, 300)
        worker = self.airflow.processes["worker-1"]
        family = descendants(worker.pid)
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        self.airflow.start_worker("worker-3")
        self.finish()
        tries = sum(self.airflow.tries("croct_history").values()) - before - INTERVALS
        return f"{len(family)} processes killed, {tries} tasks run again, 0 rows lost or doubled"


def measure_loader(visits: int) -> None:
    """Print how fast one process of target-postgres loads events, beside the tap that exports them.

    Args:
        visits: Visits of the sandbox's shop; each has some 25 events.
    """
    with tempfile.TemporaryDirectory(prefix="scale") as name, ExitStack() as stack:
        folder = Path(name)
        database = stack.enter_context(postgres())
        sandbox = stack.enter_context(Sandbox(World(visits=visits)))
        events = len(sandbox.world.items("events"))
        messages = folder / "messages.jsonl"
        config = write(folder / "config.json", sandbox.config(time_unit="milliseconds"))
        target = write(folder / "target.json", database.target_config)
        tap = seconds([*TAP, "--config", config], None, messages)
        program = str(environment("target-postgres") / "target-postgres")
        loader = seconds([program, "--config", target], messages, folder / "state.json")
        size = messages.stat().st_size
    say(f"{events:,} events and their sessions and users, {size / 1e6:.0f} MB of messages")
    for what, (cpu, elapsed) in {"tap-croct": tap, "target-postgres": loader}.items():
        say(
            f"  {what:<16} {cpu:5.1f} s of CPU, {elapsed:5.1f} s in all: "
            f"{events / cpu:,.0f} events per second of CPU"
        )


def seconds(command: list[str], source: Path | None, sink: Path) -> tuple[float, float]:
    """Run a command from file to file; return its CPU time and its time in all, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with (source or Path(os.devnull)).open("rb") as stdin, sink.open("wb") as stdout:
        subprocess.run(
            command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, check=True,
            cwd=ROOT, env=clean_environment(),
        )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--at-a-time", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--loader", type=int, metavar="VISITS", help="measure only the loader")
    args = parser.parse_args()
    if args.loader:
        measure_loader(args.loader)
        return
    with ExitStack() as stack:
        say("Starting PostgreSQL, Redis, Airflow and two workers …")
        scale = Scale(stack)
        rows = sum(len(scale.world.items(stream)) for stream in STREAMS)
        today = datetime.now(tz=timezone.utc).date()
        say(
            f"{today}, {os.cpu_count()} cores: {rows:,} records in {INTERVALS} intervals, "
            f"{PAGE_SIZE} to a page, {LATENCY * 1000:.0f} ms a page"
        )
        seconds = {}
        for number in args.at_a_time:
            seconds[number] = scale.measure(number)
            faster = seconds[args.at_a_time[0]] / seconds[number]
            say(f"  {number} at a time: {seconds[number]:6.1f} s, {faster:.1f} times as fast")
        say(f"  kill -9 of a worker: {scale.kill_a_worker()}")
    if {1, 4} <= seconds.keys() and seconds[1] / seconds[4] < LEAST:
        sys.exit(f"Four at a time are less than {LEAST} times as fast as one")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
