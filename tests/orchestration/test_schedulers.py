"""cron, GitHub Actions and Kubernetes, as `docs/scheduling.md` shows them, also two runs at once."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner

from dev.environments import ROOT, environment
from dev.postgres import Postgres
from dev.running import write
from dev.sandbox import Sandbox
from dev.sandbox.world import BEGINNING, DAY
from tests.orchestration.shells import NewProject, Same, finish, shell, succeed
from tests.orchestration.shells import start as run
from tests.support.documents import block, steps
from tests.support.fixtures import Start
from tests.support.reader import Reader

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("schedulers")]

PAGE = "docs/scheduling.md"
KUBERNETES = ROOT / "orchestrate" / "kubernetes"


def crontab(containing: str, folder: Path, programs: dict[str, Path]) -> subprocess.Popen[str]:
    """Run what the page's crontab has, as cron does: with hardly any environment.

    Args:
        containing: A part of the job's line.
        folder: The pipeline's folder, in place of `/srv/croct`.
        programs: Folders of programs, by the name of the environment that the page has for them.
    """
    for name, installed in programs.items():
        if not (folder / name).exists():
            (folder / name).mkdir()
            (folder / name / "bin").symlink_to(installed)
    path, job = block(PAGE, "crontab", containing).replace("/srv/croct", str(folder)).splitlines()
    assert job.startswith("15 2 * * * ")
    variables = {"SHELL": "/bin/sh", "PATH": path.removeprefix("PATH="), "HOME": str(folder)}
    return run(["/bin/sh", "-c", job.removeprefix("15 2 * * * ")], "/", variables)


def test_the_steps_before_the_first_night(start: Start, tmp_path: Path) -> None:
    """They bring the program that the crontab calls."""
    reader = Reader(tmp_path, start(visits=1))
    (installing,) = [step for step in steps(PAGE) if "python3 -m venv" in step.text]
    assert reader.follow(installing) == ""
    assert os.access(reader.folder / "meltano" / "bin" / "meltano", os.X_OK)


def two_at_once(night: Callable[[], subprocess.Popen[str]], sandbox: Sandbox, same: Same) -> None:
    """The lock lets one night through; then, a failure is what the job prints."""
    still_running = "croct: the last run is still running\n"
    both = [night() for _ in range(2)]
    assert sorted(map(finish, both)) == [(0, ""), (1, still_running)]
    same(sandbox)
    sandbox.world.visits(5)
    sandbox.switches.api_key = "another"
    code, output = finish(night())
    assert code == 1
    assert still_running not in output
    assert "events: 401 Unauthorized" in output


def test_cron_with_meltano(start: Start, new_project: NewProject, same: Same) -> None:
    sandbox = start(visits=20, latency=0.5)
    project = new_project(sandbox)
    variables = "".join(f"{name}='{value}'\n" for name, value in project.variables.items())
    (project.folder / ".env").write_text(variables)

    programs = {"meltano": environment("meltano")}
    two_at_once(partial(crontab, "meltano run", project.folder, programs), sandbox, same)


def test_cron_without_meltano(
    start: Start, tmp_path: Path, warehouse: Postgres, same: Same
) -> None:
    """The state stays whole."""
    sandbox = start(visits=20, latency=0.5)
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    folder = tmp_path / "output" / "postgres"
    folder.mkdir(parents=True)
    write(folder / "config.json", sandbox.config(max_retries=0))
    write(folder / "target.json", warehouse.target_config)
    programs = {
        "venv": Path(sys.executable).parent,
        "target-postgres": environment("target-postgres"),
    }
    two_at_once(partial(crontab, "nightly.sh", tmp_path, programs), sandbox, same)
    assert json.loads((folder / "state.json").read_text())["bookmarks"]["users"]["cursor"]


def test_the_workflow_is_valid(tmp_path: Path) -> None:
    workflow = tmp_path / "croct.yml"
    workflow.write_text(block(PAGE, "yaml", "runs-on"))
    arguments = ["--builtin-schema", "vendor.github-workflows", str(workflow)]
    result = CliRunner().invoke(check_jsonschema, arguments)
    assert result.exit_code == 0, result.output


def test_the_manifests_are_valid() -> None:
    program = environment("kubernetes-validate") / "kubernetes-validate"
    files = sorted(KUBERNETES.glob("*.yaml"))
    assert len(files) == 2
    done = subprocess.run(
        [program, "--strict", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("passed") == 2


def container(manifest: str) -> list[str]:
    content = yaml.safe_load((KUBERNETES / manifest).read_text())
    job = content["spec"].get("jobTemplate", content)
    command: list[str] = job["spec"]["template"]["spec"]["containers"][0]["command"]
    return command


def test_the_indexed_job_loads_its_month(start: Start, new_project: NewProject, same: Same) -> None:
    assert container("nightly.yaml") == ["meltano", "run", "tap-croct", "target-postgres"]
    sandbox = start(visits=20)
    project = new_project(sandbox)
    program, option, script = container("history.yaml")
    assert (program, option) == ("bash", "-ec")
    output = succeed(shell(script, project, ROOT, JOB_COMPLETION_INDEX="24"))  # January 2026
    assert "2026-02-01" not in output
    windows = {(r.param("start"), r.param("end")) for r in sandbox.requests if r.param("end")}
    assert windows == {(str(BEGINNING), str(BEGINNING + 31 * DAY))}
    same(sandbox)
