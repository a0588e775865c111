"""Commands as people type them, with Meltano, the tap and a target in the `PATH`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from dev.environments import environment
from dev.meltano_project import MeltanoProject
from dev.running import clean_environment
from dev.sandbox import Sandbox
from tests.support.duck import path_with

NewProject = Callable[[Sandbox], MeltanoProject]
Same = Callable[[Sandbox], None]


def start(
    command: list[str], folder: Path | str, variables: dict[str, str]
) -> subprocess.Popen[str]:
    """Start a command in an environment of its own, and in a process group of its own."""
    return subprocess.Popen(
        command, cwd=folder, env=variables, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def shell(
    command: str, project: MeltanoProject, folder: Path | None = None, **more: str
) -> subprocess.Popen[str]:
    """Start a command in a project, or another folder, as one types it."""
    programs = [environment("meltano"), environment("target-postgres"), Path(sys.executable).parent]
    variables = clean_environment(**project.variables | more, PATH=path_with(*programs))
    return start(["bash", "-ec", command], folder or project.folder, variables)


def succeed(process: subprocess.Popen[str]) -> str:
    """Wait for a command, which has to succeed; return what it prints."""
    code, output = finish(process)
    assert code == 0, output
    return output


def finish(process: subprocess.Popen[str], timeout: float = 300) -> tuple[int, str]:
    """Wait for a command; return its exit code and what it prints.

    Args:
        process: The command.
        timeout: Seconds after which it is stopped, with all that it has started.

    Raises:
        subprocess.TimeoutExpired: If it takes longer.
    """
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, output
