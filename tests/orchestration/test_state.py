"""Meltano's state where workers are not one machine: in PostgreSQL and in S3-compatible storage."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dev.airflow import free_port, wait_until
from dev.comparison import postgres_differences
from dev.environments import environment
from dev.expected import STREAMS
from tests.orchestration.pages import block
from tests.orchestration.shells import finish, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dev.meltano_project import MeltanoProject
    from dev.postgres import Postgres
    from dev.sandbox import Sandbox

    NewProject = Callable[[Sandbox], MeltanoProject]
    Start = Callable[..., Sandbox]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("schedulers")]

PAGE = "docs/scheduling.md"
PIPELINE = ("run", "tap-croct", "target-postgres")


def exports(containing: str) -> dict[str, str]:
    """Return the variables that the page sets for a kind of storage, without their comments."""
    lines = re.findall(r"^export (\w+)=(\S+)", block(PAGE, "bash", containing), re.MULTILINE)
    return {name: value.strip('"') for name, value in lines}


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """Serve S3-compatible storage with an empty bucket `my-bucket`; yield its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    python = environment("moto") / "python"
    code = (
        f"import boto3; boto3.client('s3', endpoint_url='{url}', region_name='us-east-1', "
        "aws_access_key_id='one', aws_secret_access_key='two').create_bucket(Bucket='my-bucket')"
    )
    with (folder / "moto.log").open("wb") as log, subprocess.Popen(
        [environment("moto") / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=log, stderr=log,
    ) as server:  # fmt: skip
        try:
            wait_until(
                "the S3 server listens",
                lambda: "Running on" in (folder / "moto.log").read_text(),
                60,
            )
            subprocess.run([python, "-c", code], check=True)
            yield url
        finally:
            server.terminate()


def two_machines(
    sandbox: Sandbox, new_project: NewProject, database: Postgres, state: dict[str, str]
) -> None:
    """Run the pipeline on a machine, then on another that has nothing of it but the state."""
    database.execute("drop schema if exists croct cascade")
    new_project(sandbox).run(*PIPELINE, variables=state)
    sandbox.world.visits(5)
    sandbox.world.late_events(3)
    sandbox.requests.clear()
    new_project(sandbox).run(*PIPELINE, variables=state)
    assert sandbox.requests
    assert all(request.param("cursor") for request in sandbox.requests)
    for stream in STREAMS:
        assert postgres_differences(database, sandbox.world, stream) == []


def at_the_same_time(
    sandbox: Sandbox, new_project: NewProject, database: Postgres, state: dict[str, str]
) -> None:
    """Run the pipeline on two machines at once; the next run makes good what one of them did not do."""
    sandbox.world.visits(5)
    sandbox.world.change_users(5)
    machines = [new_project(sandbox), new_project(sandbox)]
    command = " ".join(("meltano", *PIPELINE))
    runs = [shell(command, m.folder, m.variables | state) for m in machines]
    results = list(map(finish, runs))
    assert 0 in [code for code, _ in results], results
    sandbox.world.visits(2)
    machines[0].run(*PIPELINE, variables=state)
    for stream in STREAMS:
        assert postgres_differences(database, sandbox.world, stream) == []


def test_postgresql(start: Start, new_project: NewProject, database: Postgres) -> None:
    (name, uri) = next(iter(exports('[postgres]"\nexport').items()))
    assert uri.startswith("postgresql+psycopg://")
    database.execute("create database state")
    state = database.target_config["sqlalchemy_url"].replace("@/postgres", "@/state")
    two_machines(start(visits=20), new_project, database, {name: state})


def test_s3(start: Start, new_project: NewProject, database: Postgres, tmp_path: Path) -> None:
    with s3(tmp_path) as url:
        state = exports("MELTANO_STATE_BACKEND_URI")
        assert len(state) == 4
        state |= {name: "key" for name, value in state.items() if value == "…"}
        state["MELTANO_STATE_BACKEND_S3_ENDPOINT_URL"] = url
        sandbox = start(visits=20)
        two_machines(sandbox, new_project, database, state)
        at_the_same_time(sandbox, new_project, database, state)
