"""How much CPU time the tap takes, beside other programs: `make bench`.

Each figure is printed beside its limit, with `ok` or `MISSED`; the exit code is 1 if one is missed. The
limits are meant for the default number of records: with fewer, starting up weighs more.

Nothing here imports the tap: a process counts the memory of the one that started it.
"""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from dev.bench.pages import PAGE, served
from dev.environments import ROOT, environment
from dev.markdown import table
from dev.running import TAP, clean_environment, write

FOLDER = Path(tempfile.gettempdir()) / f"tap-croct-bench-{os.getpid()}"
WRITTEN = FOLDER / "written"
"""What the programs write; emptied before each run."""

TEMPLATE = [sys.executable, "-m", "dev.bench.template"]
TARGET_TIMES = 3
"""How many times as many records as target-duckdb the tap has to handle in the same CPU time."""

PEAK = 80
"""MiB of memory that the tap may take."""


@dataclass(frozen=True)
class Case:
    """What is done to the records of a stream."""

    title: str
    stream: str
    template_times: int
    """How many times as much CPU time as the tap the template has to take."""

    settings: dict[str, Any] = field(default_factory=dict)
    deselected: tuple[str, ...] = ()
    """Breadcrumb of a property, as catalogs have it."""


CART = ("properties", "payload", "properties", "cart")
FLATTENED = {"flattening_enabled": True, "flattening_max_depth": 3}
PERSONAL: dict[str, Any] = {
    "email": "sha256(email) if email else None",
    "externalUserId": "sha256(externalUserId) if externalUserId else None",
    **dict.fromkeys(("firstName", "lastName", "birthDate", "alternateEmail", "phone")),
    **dict.fromkeys(("alternatePhone", "address", "avatar", "customAttributes")),
}
HASHED = {"stream_maps": {"users": PERSONAL}}
ADDED = {"stream_maps": {"events": {"page": "payload.get('url')"}}}
FILTERED = {"stream_maps": {"events": {"__filter__": "eventType != 'pageOpened'"}}}
GZIP = {"format": "jsonl", "compression": "gzip"}
BATCH = {"batch_config": {"encoding": GZIP, "storage": {"root": WRITTEN.as_uri()}}}

CASES = {
    "events": Case("events as they come", "events", 8),
    "sessions": Case("sessions as they come", "sessions", 8),
    "users": Case("users as they come", "users", 8),
    "cart": Case("events, `payload.cart` deselected", "events", 6, deselected=CART),
    "flattened-events": Case("events, flattened to depth 3", "events", 5, FLATTENED),
    "flattened-sessions": Case("sessions, flattened to depth 3", "sessions", 5, FLATTENED),
    "hashed": Case("users, hashed or dropped by a stream map", "users", 4, HASHED),
    "added": Case("events, a column added by a stream map", "events", 4, ADDED),
    "filtered": Case("events, filtered by a stream map", "events", 4, FILTERED),
    "batch": Case("events, batch files (jsonl, gzip)", "events", 3, BATCH),
}
CASE_COLUMNS = (
    "",
    "tap, CPU s",
    "template, CPU s",
    "ratio (at most)",
    "tap, records/s",
    "target-duckdb, records/s",
    "ratio (at least)",
    "",
)
OTHER_COLUMNS = ("", "measured", "ratio (at most)", "")


def start(command: list[str], stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a process in the benchmark's folder."""
    variables = clean_environment(PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="")
    return subprocess.Popen(
        command, stdout=stdout, stderr=subprocess.DEVNULL, cwd=FOLDER, env=variables
    )


def measure(command: list[str]) -> tuple[float, float]:
    """Run a process; return its CPU time in seconds (user and system), and its peak memory in MiB.

    Raises:
        SystemExit: If it fails.
    """
    shutil.rmtree(WRITTEN, ignore_errors=True)
    WRITTEN.mkdir(parents=True)
    process = start(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def best(runs: int, **commands: list[str]) -> dict[str, float]:
    """Run commands in turns, so that a slow minute of the machine strikes all of them.

    Args:
        runs: How often each of them runs.
        commands: What to run, by name.

    Returns:
        The CPU seconds of each one's best run: the one that other work disturbed least.
    """
    seconds = dict.fromkeys(commands, math.inf)
    for _ in range(runs):
        for name, command in commands.items():
            seconds[name] = min(seconds[name], measure(command)[0])
    return seconds


def export(url: str, stream: str, records: int, *, latency: float = 0, **more: Any) -> list[str]:
    """Return the arguments for an export of some records of one stream, with more settings."""
    config = {"api_url": f"{url}/{stream}/{records}/{latency}", "api_key": "bench", **more}
    return ["--config", write(FOLDER / f"config-{records}.json", config)]


def catalog(arguments: list[str], deselected: tuple[str, ...]) -> list[str]:
    """Return the arguments for a catalog in which one property is deselected."""
    found = json.loads(start([*TAP, *arguments, "--discover"], subprocess.PIPE).communicate()[0])
    for entry in (entry for stream in found["streams"] for entry in stream["metadata"]):
        if tuple(entry["breadcrumb"]) == deselected:
            entry["metadata"]["selected"] = False
    return ["--catalog", write(FOLDER / "catalog.json", found)]


def loading(output: list[str]) -> list[str]:
    """Return a command that loads what another one puts out; that one runs now, once."""
    target = environment("target-duckdb") / "target-duckdb"
    config = {"filepath": str(WRITTEN / "bench.duckdb"), "default_target_schema": "bench"}
    write(FOLDER / "target.json", config)
    with (FOLDER / "messages.jsonl").open("wb") as messages:
        if start(output, messages.fileno()).wait() != 0:
            sys.exit(f"{output} failed")
    return ["sh", "-c", f"exec '{target}' --config target.json < messages.jsonl"]


Row = tuple[list[str], bool]
"""The cells of a row, and whether the figures are within their limits."""


def compare(url: str, case: Case, options: argparse.Namespace) -> Row:
    """Measure a case beside the template and target-duckdb; return its row of the table."""
    arguments = export(url, case.stream, options.records, **case.settings)
    if case.deselected:
        arguments += catalog(arguments, case.deselected)
    commands = {"tap": [*TAP, *arguments], "template": [*TEMPLATE, *arguments]}
    if case.settings != BATCH:  # target-duckdb does not take BATCH messages
        commands["target"] = loading(commands["tap"])
    cpu = best(options.runs, **commands)
    rates = {name: f"{options.records / seconds:,.0f}" for name, seconds in cpu.items()}
    times, target_times = (cpu.get(k, math.inf) / cpu["tap"] for k in ("template", "target"))
    cells = [case.title, f"{cpu['tap']:.2f}", f"{cpu['template']:.2f}"]
    cells += [f"1/{times:.1f} (1/{case.template_times})", rates["tap"]]
    cells += (
        [rates["target"], f"{target_times:.1f} ({TARGET_TIMES})"] if "target" in cpu else ["", ""]
    )
    return cells, times >= case.template_times and target_times >= TARGET_TIMES


def ratio(title: str, unit: str, measured: float, reference: float, limit: float) -> Row:
    """Return a row for the ratio of two figures."""
    found = measured / reference
    figures = f"{measured:.2f} / {reference:.2f} {unit}"
    return [title, figures, f"{found:.2f} ({limit})"], found <= limit


def baseline(url: str, options: argparse.Namespace) -> Row:
    """Measure events against a loop that only fetches, splits and writes."""
    records = 2 * options.records
    loop = [sys.executable, "-m", "dev.bench.baseline", f"{url}/events/{records}/0"]
    tap = [*TAP, *export(url, "events", records)]
    cpu = best(options.runs, tap=tap, loop=loop)
    title = f"{records:,} events as they come, against the baseline"
    return ratio(title, "s", cpu["tap"], cpu["loop"], 2.6)


def discovery(_url: str, options: argparse.Namespace) -> Row:
    """Measure what it takes to start."""
    sdk = [sys.executable, "-c", "import singer_sdk"]
    cpu = best(options.runs, tap=[*TAP, "--discover"], sdk=sdk)
    return ratio("`--discover`, against `import singer_sdk`", "s", cpu["tap"], cpu["sdk"], 1.7)


def memory(url: str, options: argparse.Namespace) -> Row:
    """Measure the peak, and whether it grows with the export."""
    counts = 10 * options.records, options.records
    many, few = (measure([*TAP, *export(url, "events", count)])[1] for count in counts)
    title = f"peak memory, {counts[0]:,} events against {counts[1]:,}"
    (*cells, found), within = ratio(title, "MiB", many, few, 1.1)
    return [*cells, found.replace(")", f", and {PEAK} MiB)")], within and many < PEAK


def overlap(url: str, options: argparse.Namespace) -> Row:
    """Measure whether a page is fetched while the one before it is written."""
    pages, pause = 20, 0.1
    tap = [*TAP, *export(url, "events", pages * PAGE, latency=pause)]
    seconds = min(read_slowly(tap, pause) for _ in range(options.runs))
    title = "100 ms a page to fetch, 100 ms to write, against one after the other"
    return ratio(title, "s", seconds, (pages - 1) * 2 * pause + pause, 0.6)


def read_slowly(command: list[str], pause: float) -> float:
    """Read records as a loader would that takes its time for each page.

    Args:
        command: What puts out the records.
        pause: Seconds for a page.

    Returns:
        The seconds from the first record to the last.
    """
    times: list[float] = []
    with start(command, subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b'"RECORD"' in line[:20]:
                if len(times) % PAGE == 0:
                    began = time.monotonic()
                times.append(time.monotonic())
                if len(times) % 20 == 0:  # a thousand pauses a page would take longer
                    due = began + pause * ((len(times) - 1) % PAGE + 1) / PAGE
                    time.sleep(max(0, due - time.monotonic()))
    return times[-1] - times[0]


OTHERS = {"baseline": baseline, "discovery": discovery, "memory": memory, "overlap": overlap}


def run(options: argparse.Namespace) -> int:
    """Measure; print each row as soon as it is known; in the end, all tables, and what they depend on.

    Returns:
        The exit code: 1 if a limit is missed.
    """
    tables: dict[tuple[str, ...], list[list[str]]] = {CASE_COLUMNS: [], OTHER_COLUMNS: []}
    with served() as (url, sizes):
        measure([*TAP, "--discover"])  # warm caches
        for name in options.only:
            case = CASES.get(name)
            cells, within = compare(url, case, options) if case else OTHERS[name](url, options)
            cells.append("ok" if within else "MISSED")
            tables[CASE_COLUMNS if case else OTHER_COLUMNS].append(cells)
            print(*cells, sep=" | ", file=sys.stderr, flush=True)
    packages = ("tap-croct", "singer-sdk", "msgspec", "requests")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    average = ", ".join(f"{size:,} bytes ({stream})" for stream, size in sizes.items())
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{versions}. {options.records:,} records each, in pages of {PAGE:,}, of {average} on "
        f"average; best of {options.runs} runs.\n"
    )
    for columns, rows in tables.items():
        if rows:
            print(table(columns, rows))
    return int(any(row[-1] == "MISSED" for rows in tables.values() for row in rows))


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line says; return the exit code."""
    names = [*CASES, *OTHERS]
    parser = argparse.ArgumentParser(prog="python -m dev.bench", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=names, default=names, metavar="CASE", help=", ".join(names))
    add("--records", type=int, default=100_000, help="of each case (100,000)")
    add("--runs", type=int, default=3, help="of each program; the best counts (3)")
    try:
        return run(parser.parse_args(arguments))
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
