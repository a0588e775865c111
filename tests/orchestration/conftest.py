"""What the tests of schedulers share: an installed Meltano project, and a look at the warehouse."""

import pytest

from dev.expected import STREAMS, expected_records
from dev.meltano_project import MeltanoProject
from dev.postgres import Postgres
from dev.sandbox import Sandbox
from dev.warehouse import postgres_differences
from tests.orchestration.shells import NewProject, Same


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory, database: Postgres) -> NewProject:
    """Make projects with nothing in common but the plugins, which are installed once."""
    projects: list[MeltanoProject] = []

    def _new_project(sandbox: Sandbox) -> MeltanoProject:
        folder = tmp_path_factory.mktemp("project")
        project = MeltanoProject(folder, sandbox, TARGET_POSTGRES_SQLALCHEMY_URL=database.url)
        if projects:
            project.share_plugins(projects[0])
        else:
            project.run("install", "tap-croct", "target-postgres")
        projects.append(project)
        return project

    return _new_project


@pytest.fixture
def same(warehouse: Postgres) -> Same:
    """Compare the warehouse, which is empty at first, with its source."""

    def _same(sandbox: Sandbox) -> None:
        for stream in STREAMS:
            wanted = expected_records(sandbox.world, stream)
            assert postgres_differences(warehouse, stream, wanted) == []

    return _same
