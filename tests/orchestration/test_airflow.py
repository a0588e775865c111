"""The DAGs on a real Airflow, with PostgreSQL as its database, for the state and as the warehouse.

One story in the order of `docs/first-export.md`, since a deployment takes half a minute to start.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.airflow import Airflow
from dev.environments import REQUIREMENTS, ROOT
from dev.expected import STREAMS, moment
from dev.meltano_project import MeltanoProject
from dev.postgres import Postgres
from dev.sandbox import Fault, Sandbox, World
from dev.sandbox.api import Request
from dev.sandbox.world import BEGINNING, DAY
from tests.orchestration.shells import NewProject, Same
from tests.support.documents import block, commands

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

PAGE = "docs/first-export.md"

DAYS = 3
SEAM = BEGINNING + DAYS * DAY


class Deployment(Airflow):
    """A deployment that can be asked."""

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

    def wait_for(self, dag: str, count: int) -> dict[str, str]:
        """Wait until a number of a DAG's runs have ended; return their states."""
        ended = ("success", "failed")
        self.wait(
            f"{count} runs of {dag} have ended",
            lambda: sum(state in ended for state in self.runs(dag).values()) >= count,
        )
        return self.runs(dag)

    def task_logs(self, dag: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the name and the messages of each log of a DAG's tasks."""
        for file in sorted((self.folder / "airflow" / "logs" / f"dag_id={dag}").rglob("*.log")):
            lines = file.read_text(errors="replace").splitlines()
            yield str(file), [json.dumps(json.loads(line)) for line in lines if line[:1] == "{"]


def airflow_moment(ms: int) -> str:
    return moment(ms).replace(".000Z", "+00:00")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(World(visits=130)) as server:
        assert server.world.now > SEAM  # some of it lies after the seam
        yield server


@pytest.fixture(scope="module")
def project(new_project: NewProject, sandbox: Sandbox, database: Postgres) -> MeltanoProject:
    project = new_project(sandbox)
    database.execute("create database meltano")
    project.variables |= {
        "AIRFLOW_VAR_CROCT_RETRIES": "1",
        "MELTANO_DATABASE_URI": database.url.replace("@/postgres", "@/meltano"),
        "TAP_CROCT_MAX_RETRIES": "1",
        "TAP_CROCT_PAGE_SIZE": "200",
    }
    return project


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, project: MeltanoProject, database: Postgres
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("airflow")
    with Deployment(folder, database, project) as deployment:
        yield deployment


def night(airflow: Deployment, state: str = "success") -> None:
    """Have the nightly pipeline run once more."""
    count = len(airflow.runs("croct")) + 1
    airflow.ask("POST", "dags/croct/dagRuns", {"logical_date": None})
    states = airflow.wait_for("croct", count)
    assert states[max(states)] == state, "\n".join(last_log(airflow, "croct"))


def last_log(airflow: Deployment, dag: str) -> list[str]:
    return max(airflow.task_logs(dag), key=lambda log: Path(log[0]).stat().st_mtime)[1]


def why(log: list[str]) -> str:
    """Return the last line of a log; Airflow's headings (`::group::…`) are not lines of it."""
    return [line for line in log if '"event": "::' not in line][-1]


def backfill(airflow: Deployment, *options: str) -> None:
    """Have Airflow load the history, with the page's command and the test's dates."""
    (command,) = [c for c in commands(PAGE, "backfill create") if "backfill create" in c]
    start, end = (moment(ms).replace(".000Z", "Z") for ms in (BEGINNING, SEAM - DAY))
    for shown, meant in (("2024-01-01T00:00:00Z", start), ("2026-10-01T00:00:00Z", end)):
        assert command.count(shown) == 1
        command = command.replace(shown, meant)
    airflow.run(" ".join([command, *options]))


def at(day: int) -> str:
    return str(BEGINNING + day * DAY)


def incremental_pipeline_first(airflow: Deployment, project: MeltanoProject) -> None:
    """Start the incremental pipeline at the seam, then let it rest."""
    seam = {stream: {"replication_key_value": moment(SEAM)} for stream in STREAMS}
    state = {"singer_state": {"bookmarks": seam}}
    state_id = "dev:tap-croct-to-target-postgres"
    project.run("state", "set", "--force", state_id, json.dumps(state))
    airflow.ask("PATCH", "dags/croct", {"is_paused": False})
    assert list(airflow.wait_for("croct", 1).values()) == ["success"]  # the night that was
    pause, unpause, _ = commands(PAGE, "backfill create")
    assert (pause, unpause) == ("airflow dags pause croct", "airflow dags unpause croct_history")
    airflow.run(f"{pause} & {unpause} && wait $!")


def history(airflow: Deployment, sandbox: Sandbox) -> None:
    """Load the days up to the seam; one fails once, one as long as its key is wrong."""

    def day(number: int) -> Fault:
        def strikes(request: Request) -> bool:
            return request.stream == "sessions" and request.param("start") == at(number)

        return Fault(status=401, when=strikes, times=1 if number == 1 else -1)

    sandbox.faults = [day(1), day(2)]
    sandbox.requests.clear()
    backfill(airflow)
    sandbox.world.visits(5)
    sandbox.world.late_events(5)
    wanted = {airflow_moment(BEGINNING + n * DAY): "success" for n in range(DAYS)}
    failed = airflow_moment(BEGINNING + 2 * DAY)
    failed_at = airflow_moment(BEGINNING + 3 * DAY)  # a run is named after its interval's end
    assert airflow.wait_for("croct_history", DAYS) == {**wanted, failed: "failed"}
    tries = [tries for _, tries in sorted(airflow.runs("croct_history", "try_number").items())]
    assert tries == [1, 2, 2]
    windows = {(r.param("start"), r.param("end")) for r in sandbox.requests if r.param("end")}
    assert windows == {(at(n), at(n + 1)) for n in range(DAYS)}
    logs = [log for name, log in airflow.task_logs("croct_history") if f"__{failed_at}" in name]
    assert len(logs) == 2
    assert all("sessions: 401 Unauthorized" in why(log) for log in logs)


def the_rest_of_the_history(airflow: Deployment, sandbox: Sandbox) -> None:
    """The key is right again: the same backfill resumes with what failed, and nothing else."""
    sandbox.faults.clear()
    sandbox.requests.clear()
    airflow.wait_for_backfill()
    backfill(airflow, "--reprocess-behavior failed")
    states = airflow.wait_for("croct_history", DAYS)
    assert list(states.values()) == ["success"] * DAYS
    assert {r.param("start") for r in sandbox.requests if r.param("end")} == {at(2)}


def nights(airflow: Deployment, sandbox: Sandbox, same: Same) -> None:
    """Two nights, with records between that are late, or have changed."""
    (task,) = airflow.ask("GET", "dags/croct/tasks")["tasks"]
    assert task["execution_timeout"]["days"] == 1  # one that hangs does not cost all later nights
    airflow.run("airflow dags unpause croct")
    night(airflow)
    the_rest_of_the_history(airflow, sandbox)
    same(sandbox)
    sandbox.world.visits(5)
    sandbox.world.late_events(5)
    sandbox.world.change_users(3)
    sandbox.requests.clear()
    night(airflow)
    same(sandbox)
    assert all(request.param("cursor") for request in sandbox.requests)


def what_cannot_work(airflow: Deployment, sandbox: Sandbox) -> None:
    """An API out of reach and a target that does not exist: the end of the log says so."""
    sandbox.__exit__()
    night(airflow, "failed")
    assert "Connection refused" in why(last_log(airflow, "croct"))
    airflow.ask("POST", "variables", {"key": "croct_target", "value": "target-nowhere"})
    night(airflow, "failed")
    assert "target-nowhere not found" in why(last_log(airflow, "croct"))


def test_history_and_nights(
    airflow: Deployment, project: MeltanoProject, sandbox: Sandbox, same: Same
) -> None:
    incremental_pipeline_first(airflow, project)
    history(airflow, sandbox)
    nights(airflow, sandbox, same)
    what_cannot_work(airflow, sandbox)
    same(sandbox)
    assert project.leftovers() == []


def test_the_page_installs_and_starts_what_was_tested() -> None:
    """`Airflow` in `dev/airflow.py` runs the commands that the page shows, on other addresses."""
    page = "docs/airflow.md"
    install = block(page, "bash", "airflow-venv")
    pinned = (REQUIREMENTS / "airflow.txt").read_text().splitlines()
    (version,) = [line for line in pinned if line.startswith("apache-airflow==")]
    assert f'"{version}"' in install
    assert {"psycopg2-binary", "asyncpg"} <= {line.partition("==")[0] for line in pinned}
    deployment = (ROOT / "dev" / "airflow.py").read_text()
    assert ". orchestrate/airflow.env" in install
    for command in ("airflow db migrate", "airflow celery worker"):
        assert command in deployment
        assert any(command in block(page, "bash", text) for text in ("db migrate", "CELERY"))
    for process in ("api-server", "scheduler", "dag-processor"):
        assert f"airflow {process} &" in install
        assert f'"{process}"' in deployment
