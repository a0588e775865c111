"""Meltano's state where workers are not one machine: in PostgreSQL and in S3-compatible storage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dev.expected import STREAMS
from dev.warehouse import postgres_differences
from tests.orchestration.pages import block
from tests.orchestration.shells import finish, shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.meltano_project import MeltanoProject
    from dev.postgres import Postgres
    from dev.sandbox import Sandbox
    from tests.support.s3 import S3Server

    NewProject = Callable[[Sandbox], MeltanoProject]
    Start = Callable[..., Sandbox]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("schedulers")]

PAGE = "docs/scheduling.md"
PIPELINE = ("run", "tap-croct", "target-postgres")


def exports(containing: str) -> dict[str, str]:
    """Return the variables that the page sets for a kind of storage, without their comments."""
    lines = re.findall(r"^export (\w+)=(\S+)", block(PAGE, "bash", containing), re.MULTILINE)
    return {name: value.strip('"') for name, value in lines}


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


def test_s3(start: Start, new_project: NewProject, database: Postgres, s3: S3Server) -> None:
    s3.make("my-bucket")
    state = exports("MELTANO_STATE_BACKEND_URI")
    assert len(state) == 4
    state |= {name: "key" for name, value in state.items() if value == "…"}
    state["MELTANO_STATE_BACKEND_S3_ENDPOINT_URL"] = s3.url
    sandbox = start(visits=20)
    two_machines(sandbox, new_project, database, state)
    at_the_same_time(sandbox, new_project, database, state)
