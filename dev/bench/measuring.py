"""What a process costs, and the processes that are measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from dev.bench.pages import PAGE
from dev.environments import ROOT, environment
from dev.running import TAP, clean_environment, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPLATE = [sys.executable, "-m", "dev.bench.template"]


@dataclass
class Measure:
    """What a process cost."""

    cpu: float
    """User and system time in seconds."""

    memory: float
    """Peak in MiB."""


def measure(
    command: list[str], stdin: IO[bytes] | int = subprocess.DEVNULL, folder: Path = ROOT
) -> Measure:
    """Run a process, its output thrown away.

    Args:
        command: Program and arguments.
        stdin: What it reads.
        folder: Its working directory.

    Raises:
        SystemExit: If it fails.
    """
    process = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=clean_environment(PYTHONDONTWRITEBYTECODE=""),
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} failed")
    return Measure(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def served() -> Iterator[tuple[str, dict[str, int]]]:
    """Serve pages from memory; yield the URL and the bytes of an average record by stream."""
    command = [sys.executable, "-m", "dev.bench.pages"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        url, sizes = server.stdout.readline().split(" ", 1)
        try:
            yield url, json.loads(sizes)
        finally:
            server.terminate()


def settings(base: str, stream: str, records: int, latency: float = 0.0) -> dict[str, Any]:
    """Return the settings of an export of some records of one stream."""
    return {"api_url": f"{base}/{stream}/{records}/{latency}", "api_key": "bench"}


def best(commands: dict[str, list[str]], runs: dict[str, int], batches: Path) -> dict[str, float]:
    """Measure commands in turns: a slow minute of the machine strikes all of them.

    Args:
        commands: What to run, by name.
        runs: How often, by name; once where nothing is said.
        batches: A folder that is emptied after each run.

    Returns:
        The CPU seconds of each one's best run: the one that the machine's other work disturbed
        least.
    """
    results: dict[str, float] = {}
    for turn in range(max(runs.values(), default=1)):
        for name, command in commands.items():
            if turn < runs.get(name, 1):
                cpu = measure(command).cpu
                results[name] = min(cpu, results.get(name, cpu))
                shutil.rmtree(batches, ignore_errors=True)
    return results


def target_seconds(folder: Path, tap: list[str]) -> float:
    """Return the CPU seconds that target-duckdb takes for the output of a tap.

    Args:
        folder: For the output and the database.
        tap: The command that gives the output.
    """
    output, database = folder / "output.jsonl", folder / "bench.duckdb"
    with output.open("wb") as file:
        subprocess.run(
            tap,
            stdout=file,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=clean_environment(),
            check=True,
        )
    config = {"filepath": str(database), "default_target_schema": "bench"}
    command = [
        str(environment("target-duckdb") / "target-duckdb"),
        "--config",
        write(folder / "target.json", config),
    ]
    try:
        with output.open("rb") as file:
            return measure(command, file, folder).cpu
    finally:
        database.unlink(missing_ok=True)
        output.unlink()


def overlap(config: str, pause: float) -> float:
    """Return the seconds from the first record to the last, read at a pace.

    Args:
        config: Name of the configuration file.
        pause: Seconds that the reader takes for a page.
    """
    tap = subprocess.Popen(
        [*TAP, "--config", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=clean_environment(),
    )
    assert tap.stdout is not None
    first = last = 0.0
    due = 0.0
    for number, _line in enumerate(line for line in tap.stdout if b'"RECORD"' in line[:20]):
        last = time.monotonic()
        first = first or last
        due += pause / PAGE
        if number % 20 == 0:  # a thousand pauses a page would be longer than asked for
            time.sleep(max(0.0, due))
            due = 0.0
    tap.stdout.close()
    tap.wait()
    assert first
    return last - first
