"""How the first export's time falls with parallel intervals: `make scale`.

Airflow with CeleryExecutor, a Redis server as the broker and two workers loads the same history into
PostgreSQL with one, two, four and eight intervals at a time, from a sandbox that takes 200 ms a
page. Once more, a worker is killed in the middle. Each time, the warehouse equals the source.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from dev.airflow import Airflow
from dev.expected import ORDERS, STREAMS, expected_records, moment
from dev.meltano_project import MeltanoProject
from dev.postgres import postgres
from dev.processes import descendants, kill
from dev.sandbox import Sandbox, Switches, World
from dev.sandbox.world import BEGINNING, DAY
from dev.warehouse import postgres_differences

DAG = "croct_history"
INTERVALS = 8
AT_A_TIME = (1, 2, 4, 8)
LATENCY = 0.2
PAGE_SIZE = 5
"""Small, so that a small history has many pages: its time is the API's latency, as with a large one."""

LEAST = 2.8
"""How many times as fast as one interval at a time four have to be."""

VARIABLES = {
    "TAP_CROCT_PAGE_SIZE": str(PAGE_SIZE),
    "TAP_CROCT_TIME_UNIT": "milliseconds",
    # How soon a task whose worker is gone is tried again; five minutes by default.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
}


class Scale:
    """The deployment, and what is measured on it."""

    def __init__(self, stack: ExitStack) -> None:
        """Start everything; it stops with the stack."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale")))
        self.database = stack.enter_context(postgres())
        self.world = World(visits=0)
        while self.world.now < BEGINNING + INTERVALS * DAY:
            self.world.visits(1)
        self.sandbox = stack.enter_context(Sandbox(self.world, Switches(latency=LATENCY)))
        project = MeltanoProject(
            folder / "project", self.sandbox, TARGET_POSTGRES_SQLALCHEMY_URL=self.database.url
        )
        project.run("install", "tap-croct", "target-postgres")
        project.variables |= VARIABLES
        airflow = Airflow(folder / "airflow", self.database, project, workers=2)
        self.airflow = stack.enter_context(airflow)
        self.airflow.run(f"airflow dags unpause {DAG}")
        # The tables first, as the incremental pipeline makes them.
        project.run("run", "tap-croct", "target-postgres", TAP_CROCT_MAX_RECORDS="1")

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
            f"airflow backfill create --dag-id {DAG} --from-date {start} --to-date {end} "
            f"--max-active-runs {at_a_time} --reprocess-behavior completed"
        )

    def finish(self) -> None:
        """Wait for the last run; exit if the warehouse does not equal the source."""
        running = {"queued", "running"}
        self.airflow.wait(
            "all intervals are loaded",
            lambda: running.isdisjoint(self.airflow.runs(DAG).values()),
            1800,
        )
        self.airflow.wait_for_backfill()
        lines = [f"{run} failed" for run, s in self.airflow.runs(DAG).items() if s == "failed"]
        end = moment(BEGINNING + INTERVALS * DAY)
        for stream in STREAMS:
            records = [r for r in expected_records(self.world, stream) if r[ORDERS[stream]] < end]
            lines += postgres_differences(self.database, stream, records)
        if lines:
            sys.exit("The warehouse differs from the source:\n" + "\n".join(lines[:20]))

    def measure(self, at_a_time: int) -> float:
        """Return the seconds from the start of the first task to the end of the last."""
        self.start(at_a_time)
        self.finish()
        (row,) = self.database.query(
            "select extract(epoch from max(end_date) - min(start_date)) as seconds "
            f"from task_instance where dag_id = '{DAG}'",
            "airflow",
        )
        return float(row["seconds"])

    def kill_a_worker(self) -> str:
        """Kill a worker and all that it runs while it loads; return what came of it."""
        before = sum(self.airflow.runs(DAG, "try_number").values())
        pages = len(self.sandbox.requests)
        self.start(4)
        requests = self.sandbox.requests
        self.airflow.wait("a quarter is read", lambda: len(requests) > pages / 4, 300)
        family = descendants(self.airflow.processes["worker-1"].pid)
        kill(family)
        self.airflow.start_worker("worker-3")
        self.finish()
        tries = sum(self.airflow.runs(DAG, "try_number").values()) - before - INTERVALS
        return f"{len(family)} processes killed, {tries} tasks run again, 0 rows lost or doubled"


def main() -> None:
    with ExitStack() as stack:
        print("Starting PostgreSQL, Redis, Airflow and two workers …", flush=True)
        scale = Scale(stack)
        rows = sum(len(scale.world.items(stream)) for stream in STREAMS)
        print(
            f"{os.cpu_count()} cores: {rows:,} records in {INTERVALS} intervals, "
            f"{PAGE_SIZE} to a page, {LATENCY * 1000:.0f} ms a page"
        )
        seconds: dict[int, float] = {}
        for number in AT_A_TIME:
            seconds[number] = scale.measure(number)
            faster = seconds[1] / seconds[number]
            text = f"  {number} at a time: {seconds[number]:6.1f} s, {faster:.1f} times as fast"
            print(text, flush=True)
        print(f"  kill -9 of a worker: {scale.kill_a_worker()}")
    if seconds[1] / seconds[4] < LEAST:
        sys.exit(f"Four at a time are less than {LEAST} times as fast as one")


if __name__ == "__main__":
    main()
