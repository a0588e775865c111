"""Commands as people type them, with Meltano, the tap and a target in the `PATH`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from dev.environments import environment
from dev.running import clean_environment


def shell(
    command: str, folder: Path, variables: dict[str, str], program: str = "sh"
) -> subprocess.Popen[str]:
    """Start a command.

    Args:
        command: As one types it.
        folder: Where one types it.
        variables: More of the environment.
        program: The shell.
    """
    programs = [environment("meltano"), environment("target-postgres"), Path(sys.executable).parent]
    path = ":".join([*map(str, programs), os.environ["PATH"]])
    return subprocess.Popen(
        [program, "-c", command], cwd=folder, env=clean_environment(**variables, PATH=path),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


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
