"""From the API to typed tables in DuckDB, in three ways: `make bench-duckdb`."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from dev.environments import REQUIREMENTS, ROOT, environment
from dev.running import clean_environment, write

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 3
VISITS = 2280
"""Some 50,000 events, with their sessions and users."""

TAP = Path(sys.executable).parent / "tap-croct"
COUNT = "select count(*) from croct.events"


@dataclass
class Way:
    """A way from the API to tables, and how to see that it arrived."""

    name: str
    command: list[str]
    programs: Path
    file: str


@dataclass
class Measure:
    """What a way cost; medians of the runs."""

    seconds: float
    cpu: float
    rows: int


def ways(folder: Path, url: str, key: str) -> list[Way]:
    """Prepare the three ways.

    Args:
        folder: For configuration files.
        url: Base URL of the API.
        key: Its key.
    """
    write(folder / "config.json", {"api_url": url, "api_key": key})
    target = {"filepath": "target.duckdb", "default_target_schema": "croct"}
    write(folder / "target.json", target)
    pipe = f"{TAP} --config config.json | target-duckdb --config target.json > states.jsonl"
    script = str(Path(__file__).parent / "dlt_pipeline.py")
    return [
        Way("tap-croct \\| bin/load-duckdb.sh",
            [str(ROOT / "bin/nightly.sh"), str(ROOT / "bin/load-duckdb.sh")],
            environment("duckdb"), "warehouse.duckdb"),
        Way("tap-croct \\| target-duckdb", ["bash", "-o", "pipefail", "-c", pipe],
            environment("target-duckdb"), "target.duckdb"),
        Way("dlt, REST client", ["python", script, url, key],
            environment("dlt"), "dlt.duckdb"),
    ]  # fmt: skip


def run(way: Way, folder: Path) -> tuple[float, float, int]:
    """Run a way from an empty warehouse; return seconds, CPU seconds and rows.

    Exits with what was said if it fails.
    """
    for left in ("warehouse.duckdb", "target.duckdb", "dlt.duckdb", "state.json"):
        (folder / left).unlink(missing_ok=True)
    path = os.pathsep.join([str(way.programs), str(TAP.parent), os.environ["PATH"]])
    with (folder / "log").open("w+") as log:
        begin = time.monotonic()
        process = subprocess.Popen(
            way.command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env=clean_environment(PATH=path, HOME=str(folder)),
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            log.seek(0)
            sys.exit(f"{way.name} failed:\n{log.read()[-3000:]}")
    ask = f"import duckdb; print(duckdb.connect({way.file!r}).execute({COUNT!r}).fetchone()[0])"
    rows = subprocess.check_output([way.programs / "python", "-c", ask], cwd=folder, text=True)
    return seconds, usage.ru_utime + usage.ru_stime, int(rows)


def measure(way: Way, folder: Path) -> Measure:
    """Run a way several times; return the medians."""
    seconds, cpu, rows = zip(*(run(way, folder) for _ in range(RUNS)), strict=True)
    return Measure(statistics.median(seconds), statistics.median(cpu), max(rows))


@contextmanager
def sandbox() -> Iterator[tuple[str, str]]:
    """Serve the sandbox from a process of its own; yield URL and key."""
    command = [sys.executable, "-m", "dev.sandbox", "--port=0", f"--visits={VISITS}", "--end=null"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        said = "".join(server.stdout.readline() for _ in range(4))
        found = re.search(r"TAP_CROCT_API_URL=(\S+) TAP_CROCT_API_KEY=(\S+)", said)
        assert found is not None
        try:
            yield found[1], found[2]
        finally:
            server.terminate()


def version(name: str) -> str:
    """Return the version of a package that an environment pins, beside its name."""
    pins = (file.read_text() for file in sorted(REQUIREMENTS.glob("*.txt")))
    found = next(m for text in pins if (m := re.search(rf"(?m)^{name}==(\S+)$", text)))
    return f"{name} {found[1]}"


def main() -> None:
    """Print a table: seconds and CPU seconds of each way."""
    with tempfile.TemporaryDirectory() as name, sandbox() as (url, key):
        folder = Path(name)
        measures = {way.name: measure(way, folder) for way in ways(folder, url, key)}
    print("| way | seconds | CPU seconds | ratio of CPU |\n| --- | --- | --- | --- |")
    first = next(iter(measures.values()))
    for name, found in measures.items():
        ratio = found.cpu / first.cpu
        print(f"| {name} | {found.seconds:.1f} | {found.cpu:.1f} | {ratio:.1f} |")
    rows = {found.rows for found in measures.values()}
    if len(rows) != 1:
        sys.exit(f"Not all of them loaded the same: {rows}")
    tools = ", ".join(map(version, ("duckdb", "target-duckdb", "dlt")))
    print(
        f"\n{rows.pop():,} events with their sessions and users, into an empty file, median of "
        f"{RUNS} runs. On {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; tap-croct {metadata.version('tap-croct')}, {tools}."
    )


if __name__ == "__main__":
    main()
