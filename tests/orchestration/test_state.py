"""Meltano's state where workers are not one machine: in PostgreSQL and in S3-compatible storage."""

import re
from collections.abc import Callable
from functools import partial

import pytest

from dev.meltano_project import MeltanoProject
from dev.postgres import Postgres
from dev.sandbox import Sandbox
from tests.orchestration.shells import NewProject, Same, finish, shell
from tests.support.documents import block
from tests.support.s3 import S3Server

Machine = Callable[[], MeltanoProject]


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("schedulers")]

PAGE = "docs/scheduling.md"
PIPELINE = ("run", "tap-croct", "target-postgres")


def exports(containing: str) -> dict[str, str]:
    """Return the variables that the page sets for a kind of storage, without their comments."""
    lines = re.findall(r"^export (\w+)=(\S+)", block(PAGE, "bash", containing), re.MULTILINE)
    return {name: value.strip('"') for name, value in lines}


def two_machines(machine: Machine, sandbox: Sandbox, same: Same) -> None:
    """Run the pipeline on a machine, then on another that has nothing of it but the state."""
    machine().run(*PIPELINE)
    sandbox.world.visits(5)
    sandbox.world.late_events(3)
    sandbox.requests.clear()
    machine().run(*PIPELINE)
    assert sandbox.requests
    assert all(request.param("cursor") for request in sandbox.requests)
    same(sandbox)


def new_machine(new_project: NewProject, sandbox: Sandbox, state: dict[str, str]) -> MeltanoProject:
    project = new_project(sandbox)
    project.variables |= state
    return project


def test_postgresql(
    sandbox: Sandbox, new_project: NewProject, same: Same, database: Postgres
) -> None:
    (name, uri) = next(iter(exports('[postgres]"\nexport').items()))
    assert uri.startswith("postgresql+psycopg://")
    database.execute("create database state")
    state = {name: database.url.replace("@/postgres", "@/state")}
    two_machines(partial(new_machine, new_project, sandbox, state), sandbox, same)


def test_s3(sandbox: Sandbox, new_project: NewProject, same: Same, s3: S3Server) -> None:
    s3.make("my-bucket")
    shown = exports("MELTANO_STATE_BACKEND_URI")
    assert len(shown) == 4
    state = {name: "key" if value == "…" else value for name, value in shown.items()}
    state["MELTANO_STATE_BACKEND_S3_ENDPOINT_URL"] = s3.url
    machine = partial(new_machine, new_project, sandbox, state)
    two_machines(machine, sandbox, same)

    # Two machines at once: the next run makes good what one of them did not do.
    sandbox.world.visits(5)
    sandbox.world.change_users(5)
    first = machine()
    command = " ".join(("meltano", *PIPELINE))
    results = [finish(process) for process in (shell(command, first), shell(command, machine()))]
    assert 0 in [code for code, _ in results], results
    sandbox.world.visits(2)
    first.run(*PIPELINE)
    same(sandbox)
