"""Airflow as it is deployed: API server, scheduler and DAG processor, each a process of its own.

With CeleryExecutor, a Redis server as the broker and workers, too. All of it is on loopback, in one
folder, and stops with the context.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import requests

from dev.environments import ROOT, environment
from dev.processes import descendants, free_port, wait_until
from dev.running import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from dev.postgres import Postgres

ENV_FILE = ROOT / "orchestrate" / "airflow.env"
DAGS = ("croct", "croct_history")


class Airflow:
    """A deployment; a context manager that stops it.

    Attributes:
        folder: Logs and all else that Airflow writes.
        variables: The environment of all processes.
        processes: The processes, by name.
    """

    def __init__(
        self,
        folder: Path,
        database: Postgres,
        variables: dict[str, str],
        *,
        workers: int = 0,
    ) -> None:
        """Prepare a deployment.

        Args:
            folder: For its files.
            database: A server on which it may create a database `airflow`.
            variables: More of the environment.
            workers: Number of Celery workers; without, tasks run under LocalExecutor.
        """
        self.folder = folder
        self.database = database
        self.workers = workers
        self.bin = environment("airflow")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.variables = clean_environment(**variables) | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.url("postgresql+psycopg2"),
            "AIRFLOW__API__PORT": str(free_port()),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",  # the files don't change
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_COLOR": "1",
        }

    def url(self, scheme: str) -> str:
        """Return the URL of Airflow's own database."""
        _, _, rest = self.database.uri.partition("://")
        return f"{scheme}://{rest.replace('@/postgres', '@/airflow')}"

    def __enter__(self) -> Self:
        """Create the database and start everything.

        Returns:
            Itself, once both DAGs are parsed and the API server answers.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.database.execute("create database airflow")
            if self.workers:
                self._start_broker()
            self.run("airflow db migrate")
            for name in ("api-server", "scheduler", "dag-processor"):
                self.start(name, f"exec airflow {name}")
            for number in range(1, self.workers + 1):
                self.start_worker(f"worker-{number}")
            wait_until("both DAGs are parsed", lambda: self._parsed() == set(DAGS))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every process, and the tasks that still run: in order first, then without asking."""
        running = [process for process in self.processes.values() if process.poll() is None]
        family = [pid for process in running for pid in descendants(process.pid)]
        for process in running:
            process.terminate()
        end = time.monotonic() + 8
        while time.monotonic() < end and any(process.poll() is None for process in running):
            time.sleep(0.1)
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in running:
            process.wait()

    def _parsed(self) -> set[str]:
        assert all(p.poll() is None for p in self.processes.values()), self.tails()
        rows = self.database.query("select dag_id from dag where not is_stale", "airflow")
        errors = self.database.query("select stacktrace from import_error", "airflow")
        assert not errors, errors[0]["stacktrace"]
        return {row["dag_id"] for row in rows}

    def _start_broker(self) -> None:
        port = free_port()
        server = environment("redis") / "redis-server"
        self.start(
            "redis",
            f"exec {server} --port {port} --bind 127.0.0.1 --save '' --dir {self.folder}",
        )
        self.variables |= {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": self.url("db+postgresql+psycopg2"),
        }

    def start_worker(self, name: str, concurrency: int = 4) -> None:
        """Start a Celery worker.

        Args:
            name: Its name, no other worker's.
            concurrency: Tasks that it runs at the same time.
        """
        self.start(
            name, f"exec airflow celery worker -c {concurrency} -H {name}@%h --without-mingle "
            "--without-gossip --skip-serve-logs",
        )  # fmt: skip

    def start(self, name: str, command: str) -> None:
        """Start a process, with `orchestrate/airflow.env` in its environment, as the docs say."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self._shell(command), cwd=ROOT, env=self.variables, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a command in the deployment's environment.

        Args:
            command: A command as one types it.
            check: Whether it is expected to succeed.

        Returns:
            What it prints.
        """
        done = subprocess.run(
            self._shell(command), cwd=ROOT, env=self.variables, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the API server for something: a tenth of the time that a command takes to start.

        Args:
            method: Such as `POST`.
            path: Such as `dags/croct/dagRuns`.
            body: What is sent, as JSON.

        Returns:
            The answer, decoded.

        Raises:
            requests.HTTPError: If it is refused.
        """
        server = f"http://127.0.0.1:{self.variables['AIRFLOW__API__PORT']}"
        token = requests.get(f"{server}/auth/token", timeout=60).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        response = requests.request(
            method, f"{server}/api/v2/{path}", json=body, headers=headers, timeout=60
        )
        response.raise_for_status()
        return response.json()

    def _shell(self, command: str) -> list[str]:
        prepare = f'PATH="{self.bin}:$PATH"; set -a; . "{ENV_FILE}"; set +a'
        return ["bash", "-c", f"{prepare}; {command}"]

    def tails(self) -> str:
        """Return the ends of all logs, for a message."""
        return "\n".join(
            f"--- {file.name}\n{file.read_text(errors='replace')[-2000:]}"
            for file in sorted(self.folder.glob("*.log"))
        )

    def runs(self, dag: str) -> dict[str, str]:
        """Return the states of a DAG's runs, by the start of their intervals."""
        rows = self.database.query(
            "select coalesce(data_interval_start, run_after) as start, state "
            f"from dag_run where dag_id = '{dag}'",
            "airflow",
        )
        return {row["start"]: row["state"] for row in rows}

    def wait_for_backfill(self, seconds: float = 600) -> None:
        """Wait until Airflow takes the last backfill for completed; until then, it starts no other.

        Args:
            seconds: How long to wait. Airflow looks only every half minute.
        """
        wait_until(
            "the backfill is completed",
            lambda: (
                not self.database.query(
                    "select id from backfill where completed_at is null", "airflow"
                )
            ),
            seconds,
        )

    def tries(self, dag: str) -> dict[str, int]:
        """Return how often each run's task was tried, by the start of its interval."""
        rows = self.database.query(
            "select data_interval_start as start, try_number from task_instance "
            f"join dag_run using (dag_id, run_id) where dag_id = '{dag}'",
            "airflow",
        )
        return {row["start"]: row["try_number"] for row in rows}

    def wait_for(self, dag: str, count: int, seconds: float = 180) -> dict[str, str]:
        """Wait until a number of a DAG's runs have ended; return their states."""

        def ended() -> bool:
            assert all(
                p.poll() is None or p.returncode == -signal.SIGKILL for p in self.processes.values()
            ), self.tails()
            states = self.runs(dag).values()
            return len([s for s in states if s in ("success", "failed")]) >= count

        try:
            wait_until(f"{count} runs of {dag} have ended", ended, seconds)
        except TimeoutError as error:
            msg = f"{error}\n{self.runs(dag)}\n{self.tails()}"
            raise TimeoutError(msg) from None
        return self.runs(dag)

    def task_logs(self, dag: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the name and the messages of each log of a DAG's tasks."""
        for file in sorted((self.folder / "airflow" / "logs" / f"dag_id={dag}").rglob("*.log")):
            lines = file.read_text(errors="replace").splitlines()
            yield str(file), [json.dumps(json.loads(line)) for line in lines if line[:1] == "{"]
