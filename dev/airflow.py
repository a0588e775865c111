"""Airflow as it is deployed: API server, scheduler and DAG processor, each a process of its own.

With CeleryExecutor, a Redis server as the broker and workers, too. All of it is on loopback, in one
folder, and stops with the context.
"""

import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import Self

from dev.environments import ROOT, environment
from dev.meltano_project import MeltanoProject
from dev.postgres import Postgres
from dev.processes import descendants, free_port, kill, wait_until
from dev.running import clean_environment

ENV_FILE = ROOT / "orchestrate" / "airflow.env"
DAGS = {"croct", "croct_history"}
SETTINGS = {
    "AIRFLOW__API__HOST": "127.0.0.1",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",  # the files don't change
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}


class Airflow:
    """A deployment; a context manager that stops it.

    Attributes:
        folder: Logs and all else that Airflow writes.
        variables: The environment of all processes.
        processes: The processes, by name.
    """

    def __init__(
        self, folder: Path, database: Postgres, project: MeltanoProject, *, workers: int = 0
    ) -> None:
        """Prepare a deployment.

        Args:
            folder: For its files.
            database: A server on which it may create a database `airflow`.
            project: What its tasks run, in the environment that they get.
            workers: Number of Celery workers; without, tasks run under LocalExecutor.
        """
        self.folder = folder
        self.database = database
        self.workers = workers
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        _, _, server = database.uri.replace("@/postgres", "@/airflow").partition(":")
        self.variables = clean_environment(**project.variables) | SETTINGS | {
            "AIRFLOW_VAR_CROCT_PROJECT": str(project.folder),
            "AIRFLOW_VAR_CROCT_MELTANO": project.variables["CROCT_MELTANO"],
            "AIRFLOW_VAR_CROCT_HISTORY_INTERVAL": "day",
            "AIRFLOW_VAR_CROCT_RETRY_SECONDS": "1",
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2:{server}",
            "AIRFLOW__API__PORT": str(free_port()),
        }  # fmt: skip
        if workers:
            self.variables |= {
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
                "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2:{server}",
            }

    def __enter__(self) -> Self:
        """Create the database and start everything.

        Returns:
            Itself, once both DAGs are parsed and the API server answers.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.database.execute("create database airflow")
            if self.workers:
                port = self.variables["AIRFLOW__CELERY__BROKER_URL"][:-2].rpartition(":")[2]
                server = f"{environment('redis')}/redis-server --bind 127.0.0.1 --save ''"
                self.start("redis", f"{server} --port {port} --dir {self.folder}")
            self.run("airflow db migrate")
            for name in ("api-server", "scheduler", "dag-processor"):
                self.start(name, f"airflow {name}")
            for number in range(1, self.workers + 1):
                self.start_worker(f"worker-{number}")
            self.wait("both DAGs are parsed", self._parsed)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every process, and the tasks that still run: in order first, then without asking."""
        family = [pid for process in self.processes.values() for pid in descendants(process.pid)]
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=4)
        kill(family)
        for process in self.processes.values():
            process.wait()

    def _parsed(self) -> bool:
        rows = self.database.query("select dag_id from dag where not is_stale", "airflow")
        errors = self.database.query("select stacktrace from import_error", "airflow")
        assert not errors, errors[0]["stacktrace"]
        return {row["dag_id"] for row in rows} == DAGS

    def start_worker(self, name: str) -> None:
        """Start a Celery worker that runs four tasks at a time, under a name of its own."""
        options = f"-c 4 -H {name}@%h --without-mingle --without-gossip --skip-serve-logs"
        self.start(name, f"airflow celery worker {options}")

    def start(self, name: str, command: str) -> None:
        """Start a process, with `orchestrate/airflow.env` in its environment, as the docs say."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = self._popen(f"exec {command}", stdout=log, stderr=log)

    def run(self, command: str) -> str:
        """Run a command, as one types it, in the deployment's environment; return what it prints.

        Raises:
            AssertionError: If it fails.
        """
        process = self._popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = process.communicate()[0].decode()
        assert process.returncode == 0, f"{command}\n{said}"
        return said

    def _popen(self, command: str, **streams: Any) -> subprocess.Popen[bytes]:
        prepare = f'PATH="{environment("airflow")}:$PATH"; set -a; . "{ENV_FILE}"; set +a'
        return subprocess.Popen(
            ["bash", "-c", f"{prepare}; {command}"], cwd=ROOT, env=self.variables,
            start_new_session=True, **streams,
        )  # fmt: skip

    def runs(self, dag: str, column: str = "dag_run.state") -> dict[str, Any]:
        """Return the states of a DAG's runs, by the start of their intervals.

        Args:
            dag: Name of the DAG.
            column: What to return instead, such as `try_number` of a run's only task.
        """
        rows = self.database.query(
            f"select coalesce(data_interval_start, run_after) as start, {column} as value "
            f"from dag_run left join task_instance using (dag_id, run_id) where dag_id = '{dag}'",
            "airflow",
        )
        return {row["start"]: row["value"] for row in rows}

    def wait(self, what: str, true: Callable[[], Any], seconds: float = 180) -> None:
        """Wait until something is true.

        Args:
            what: What is waited for, for the message.
            true: Tells whether it is so.
            seconds: How long to wait.

        Raises:
            AssertionError: If it takes longer, or a process has ended that nobody killed.
        """

        def _true() -> Any:
            codes = {process.poll() for process in self.processes.values()}
            assert codes <= {None, -signal.SIGKILL}, "a process has ended"
            return true()

        try:
            wait_until(what, _true, seconds)
        except (AssertionError, TimeoutError) as error:
            logs = sorted(self.folder.glob("*.log"))
            ends = (f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)
            raise AssertionError("\n".join([str(error), *ends])) from None

    def wait_for_backfill(self) -> None:
        """Wait until Airflow takes the last backfill for completed; until then, it starts no other.

        It looks only every half minute.
        """
        running = "select id from backfill where completed_at is null"
        self.wait(
            "the backfill is completed", lambda: not self.database.query(running, "airflow"), 600
        )
