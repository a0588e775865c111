"""The DAGs on a real Airflow, with PostgreSQL as its database, for the state and as the warehouse.

One story in the order of `docs/first-export.md`, since a deployment takes half a minute to start.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.airflow import Airflow
from dev.comparison import postgres_differences
from dev.expected import STREAMS, moment
from dev.sandbox import Fault, Sandbox, World
from dev.sandbox.world import BEGINNING, DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.meltano_project import MeltanoProject
    from dev.postgres import Postgres
    from dev.sandbox.api import Request

pytestmark = pytest.mark.slow

DAYS = 4
SEAM = BEGINNING + DAYS * DAY


def airflow_moment(ms: int) -> str:
    return moment(ms).replace(".000Z", "+00:00")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(World(visits=170)) as server:
        assert server.world.now > SEAM  # some of it lies after the seam
        yield server


@pytest.fixture(scope="module")
def project(
    new_project: Callable[[Sandbox], MeltanoProject], sandbox: Sandbox, database: Postgres
) -> MeltanoProject:
    project = new_project(sandbox)
    database.execute("create database meltano")
    state = database.target_config["sqlalchemy_url"].replace("@/postgres", "@/meltano")
    project.variables |= {
        "MELTANO_DATABASE_URI": state,
        "TAP_CROCT_MAX_RETRIES": "1",
        "TAP_CROCT_PAGE_SIZE": "200",
    }
    return project


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, project: MeltanoProject, database: Postgres
) -> Iterator[Airflow]:
    variables = {
        "AIRFLOW_VAR_CROCT_PROJECT": str(project.folder),
        "AIRFLOW_VAR_CROCT_MELTANO": project.variables["CROCT_MELTANO"],
        "AIRFLOW_VAR_CROCT_HISTORY_INTERVAL": "day",
        "AIRFLOW_VAR_CROCT_RETRIES": "1",
        "AIRFLOW_VAR_CROCT_RETRY_SECONDS": "1",
    }
    folder = tmp_path_factory.mktemp("airflow")
    with Airflow(folder, database, project.variables | variables) as deployment:
        yield deployment


def night(airflow: Airflow, state: str = "success") -> None:
    """Have the nightly pipeline run once more."""
    count = len(airflow.runs("croct")) + 1
    airflow.run("airflow dags trigger croct")
    states = airflow.wait_for("croct", count)
    assert states[max(states)] == state, "\n".join(last_log(airflow, "croct"))


def last_log(airflow: Airflow, dag: str) -> list[str]:
    return max(airflow.task_logs(dag), key=lambda log: Path(log[0]).stat().st_mtime)[1]


def why(log: list[str]) -> str:
    """Return the last line of a log; Airflow's headings (`::group::…`) are not lines of it."""
    return [line for line in log if '"event": "::' not in line][-1]


def same(database: Postgres, sandbox: Sandbox) -> None:
    for stream in STREAMS:
        assert postgres_differences(database, sandbox.world, stream) == []


def backfill(airflow: Airflow, *options: str) -> None:
    start, end = (moment(ms) for ms in (BEGINNING, SEAM - DAY))
    airflow.run(
        f"airflow backfill create --dag-id croct_history --from-date {start} --to-date {end} "
        f"--max-active-runs 4 {' '.join(options)}"
    )


def at(day: int) -> str:
    return str(BEGINNING + day * DAY)


def test_history_and_nights(
    airflow: Airflow, project: MeltanoProject, sandbox: Sandbox, database: Postgres
) -> None:
    # The incremental pipeline first: from the seam on.
    seam = {stream: {"replication_key_value": moment(SEAM)} for stream in STREAMS}
    state = {"singer_state": {"bookmarks": seam}}
    state_id = "dev:tap-croct-to-target-postgres"
    project.run("state", "set", "--force", state_id, json.dumps(state))
    for dag in ("croct", "croct_history"):
        airflow.run(f"airflow dags unpause {dag}")
    assert list(airflow.wait_for("croct", 1).values()) == ["success"]  # the night that was

    # Then the history: one day fails once, one as long as its key is wrong.
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
    tries = [tries for _, tries in sorted(airflow.tries("croct_history").items())]
    assert tries == [1, 2, 2, 1]
    windows = {(r.param("start"), r.param("end")) for r in sandbox.requests if r.param("end")}
    assert windows == {(at(n), at(n + 1)) for n in range(DAYS)}
    logs = [log for name, log in airflow.task_logs("croct_history") if f"__{failed_at}" in name]
    assert len(logs) == 2
    assert all("sessions: 401 Unauthorized" in why(log) for log in logs)

    # Its key is right again: the same backfill resumes with what failed.
    sandbox.faults.clear()
    sandbox.requests.clear()
    backfill(airflow, "--reprocess-behavior failed")
    assert airflow.wait_for("croct_history", DAYS) == wanted
    assert {r.param("start") for r in sandbox.requests if r.param("end")} == {at(2)}

    night(airflow)
    same(database, sandbox)
    sandbox.world.visits(5)
    sandbox.world.late_events(5)
    sandbox.world.change_users(3)
    sandbox.requests.clear()
    night(airflow)
    same(database, sandbox)
    assert all(request.param("cursor") for request in sandbox.requests)

    # What cannot work fails, and the last line of the log says why.
    airflow.run("airflow variables set croct_target target-nowhere")
    night(airflow, "failed")
    assert "target-nowhere not found" in why(last_log(airflow, "croct"))
    airflow.run("airflow variables delete croct_target")
    sandbox.__exit__()
    night(airflow, "failed")
    assert "Connection refused" in why(last_log(airflow, "croct"))
    same(database, sandbox)
    assert not list(Path(tempfile.gettempdir()).glob("croct-interval.*"))
