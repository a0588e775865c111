"""Running the tap as a process, and what it puts out."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from subprocess import PIPE
from typing import Any

from dev.environments import ROOT
from dev.expected import STREAMS, Record

TAP = [sys.executable, "-m", "tap_croct"]


@dataclass
class Output:
    """What a run of the tap put out."""

    code: int
    stdout: str
    stderr: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.split("\n") if line]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[Record]:
        return [m["record"] for m in self.of("RECORD") if m["stream"] == stream]

    def counts(self) -> dict[str, int]:
        return {stream: len(self.records(stream)) for stream in STREAMS}

    @property
    def state(self) -> dict[str, Any]:
        states = self.of("STATE")
        return states[-1]["value"] if states else {}

    @property
    def warnings(self) -> list[str]:
        """The tap's own: the SDK warns of an old Python, too."""
        return [line for line in self.stderr.splitlines() if "| WARNING  | tap-croct" in line]

    @property
    def last_line(self) -> str:
        return self.stderr.strip().splitlines()[-1]


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment without what is said to a tap or to Meltano, and with more."""
    said = ("TAP_CROCT_", "MELTANO_", "TARGET_")
    return {k: v for k, v in os.environ.items() if not k.startswith(said)} | more


def write(path: Path, value: object) -> str:
    """Write JSON (or text as it is) into a file; return its name."""
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return str(path)


def arguments(folder: Path, config: object, *args: str, **files: object) -> list[str]:
    """Write the files that the tap is given; return its arguments.

    Args:
        folder: Where the files are written.
        config: Content of the file for `--config`: JSON, or text as it is; none for no such option.
        args: More arguments.
        files: The same for `state` and `catalog`.
    """
    options = []
    for name, value in {"config": config, **files}.items():
        if value is not None:
            options += [f"--{name}", write(folder / f"{name}.json", value)]
    return [*options, *args]


def run_tap(
    folder: Path,
    config: dict[str, Any] | None,
    *args: str,
    state: object = None,
    catalog: object = None,
    timeout: float = 60,
    **environment: str,
) -> Output:
    """Run the tap as a process of its own, in a folder.

    Args:
        folder: Working directory, and where the files are written.
        config: See `arguments`.
        args: See `arguments`.
        state: See `arguments`.
        catalog: See `arguments`.
        timeout: Seconds to wait for its end.
        environment: More environment variables.

    Raises:
        subprocess.TimeoutExpired: If it has not ended by then.
    """
    done = subprocess.run(
        [*TAP, *arguments(folder, config, *args, state=state, catalog=catalog)],
        cwd=folder, env=clean_environment(PYTHONPATH=str(ROOT), **environment),
        capture_output=True, check=False, timeout=timeout,
    )  # fmt: skip
    return Output(done.returncode, done.stdout.decode(), done.stderr.decode())


def launch(
    folder: Path, config: object, *, state: object = None, **streams: Any
) -> subprocess.Popen[bytes]:
    """Start the tap as a process; return it with pipes for its output.

    Args:
        folder: Working directory, and where the files are written.
        config: See `arguments`.
        state: See `arguments`.
        streams: Options of `Popen`, such as `stderr` and `pipesize`.
    """
    return subprocess.Popen(
        [*TAP, *arguments(folder, config, state=state)],
        cwd=folder, env=clean_environment(PYTHONPATH=str(ROOT)),
        bufsize=0, **{"stdout": PIPE, "stderr": PIPE, **streams},
    )  # fmt: skip
