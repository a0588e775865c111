"""`croct`, the nightly pipeline, and `croct_history`, the first export.

Airflow variables, which can also be set in the environment (`AIRFLOW_VAR_CROCT_TARGET`):

    croct_target            loader that Meltano runs (target-postgres)
    croct_schedule          when the nightly pipeline runs, as a cron expression in UTC (0 2 * * *)
    croct_history_interval  length of an interval of the history: day, week or month (month)
    croct_project           folder of the Meltano project (the one with this file)
    croct_meltano           Meltano's program (meltano)
    croct_retries           how many times a failed task is retried (5)
    croct_retry_seconds     pause before the first retry; it doubles with each (60)
    croct_timeout_hours     after which a task that hangs is stopped and retried (24)
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import deque
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable, Variable
from airflow.sdk.exceptions import AirflowException
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

INTERVALS = {"day": "0 0 * * *", "week": "0 0 * * 1", "month": "0 0 1 * *"}
TARGET = "{{ var.value.get('croct_target', 'target-postgres') }}"
MELTANO = "{{ var.value.get('croct_meltano', 'meltano') }}"
PROJECT = f"{{{{ var.value.get('croct_project', '{Path(__file__).resolve().parents[2]}') }}}}"


class Pipeline(BaseOperator):
    """Runs a command in the Meltano project; its output is the task's log."""

    template_fields: Sequence[str] = ("command", "project", "env")

    tap_error: ClassVar = re.compile(r"\[(?:error|critical) *\] tap-croct +(.+)")
    any_error: ClassVar = re.compile(r"\b(\w*(?:Error|Exception): .+)")

    def __init__(self, *, command: list[str], **options: object) -> None:
        """Take the command.

        Args:
            command: Program and arguments; templates are rendered.
            options: What `BaseOperator` takes.
        """
        super().__init__(**options)
        self.command = command
        self.project = PROJECT
        self.env = {"CROCT_TARGET": TARGET, "CROCT_MELTANO": MELTANO}
        self.process: subprocess.Popen[str] | None = None

    @override
    def execute(self, context: Context) -> None:
        """Run the command, and wait for its end.

        Raises:
            AirflowException: If it fails, with the line of its output that says why.
        """
        # Colours and other formats would hide who wrote a line.
        env = {**os.environ, **self.env, "MELTANO_CLI_LOG_FORMAT": "uncolored"}
        self.process = subprocess.Popen(  # noqa: S603  the command is the DAG's, and no shell reads it
            self.command,
            cwd=self.project,
            env={**env, "MELTANO_PROJECT_ROOT": self.project},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        lines: deque[str] = deque(maxlen=1000)
        for line in self.process.stdout or ():
            self.log.info("%s", line.rstrip())
            lines.append(line.rstrip())
        code = self.process.wait()
        if code != 0:
            msg = f"{self.explain(lines)} (exit code {code})"
            raise AirflowException(msg)

    def explain(self, lines: Sequence[str]) -> str:
        """Return the line that says why a command failed: the tap's, the target's, or the last."""
        patterns = [self.tap_error, self.any_error]
        if any(line.endswith("Loader failed") for line in lines):
            patterns.reverse()  # the tap only says that the target has gone
        for pattern in patterns:
            for line in reversed(lines):
                if found := pattern.search(line):
                    return found[1]
        return lines[-1] if lines else "No output"

    @override
    def on_kill(self) -> None:
        """Stop tap and target; the next run resumes after the last state that was stored."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGTERM)


def variable(name: str, default: str) -> str:
    """Return an Airflow variable that shapes the DAGs."""
    return str(Variable.get(name, default=default))


TRIES = {
    "execution_timeout": timedelta(hours=float(variable("croct_timeout_hours", "24"))),
    "retries": int(variable("croct_retries", "5")),
    "retry_delay": timedelta(seconds=float(variable("croct_retry_seconds", "60"))),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(hours=1),
}

with DAG(
    "croct",
    description="What is new at Croct, into the warehouse",
    doc_md="One run at a time; the bookmark is Meltano's state.",
    schedule=variable("croct_schedule", "0 2 * * *"),
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    allowed_run_types=["scheduled", "manual"],
    max_active_runs=1,
    default_args=TRIES,
    tags=["croct"],
):
    Pipeline(task_id="load", command=[MELTANO, "run", "tap-croct", TARGET])

with DAG(
    "croct_history",
    description="The first export, by parallel intervals: `airflow backfill create`",
    doc_md="Each run loads one data interval, and keeps no state: run it again to load it again.",
    schedule=CronDataIntervalTimetable(
        INTERVALS[variable("croct_history_interval", "month")], timezone="UTC"
    ),
    # Only backfills make runs: nothing is scheduled or triggered by hand.
    start_date=datetime(2999, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    allowed_run_types=["scheduled", "backfill"],
    default_args=TRIES,
    tags=["croct"],
):
    Pipeline(
        task_id="load",
        command=[
            "bash",
            str(Path(__file__).resolve().parents[1] / "interval.sh"),
            "{{ data_interval_start.isoformat() }}",
            "{{ data_interval_end.isoformat() }}",
        ],
    )
