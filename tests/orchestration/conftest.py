"""What the tests of schedulers share: an installed Meltano project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.meltano_project import MeltanoProject

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.postgres import Postgres
    from dev.sandbox import Sandbox

    NewProject = Callable[[Sandbox], MeltanoProject]


@pytest.fixture(scope="session")
def new_project(
    tmp_path_factory: pytest.TempPathFactory, database: Postgres
) -> Callable[[Sandbox], MeltanoProject]:
    """Make projects with nothing in common but the plugins, which are installed once."""
    projects: list[MeltanoProject] = []

    def _new_project(sandbox: Sandbox) -> MeltanoProject:
        project = MeltanoProject(tmp_path_factory.mktemp("project"), sandbox, database)
        if projects:
            project.share_plugins(projects[0])
        else:
            project.install()
        projects.append(project)
        return project

    return _new_project
