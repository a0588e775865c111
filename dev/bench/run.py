"""How fast the tap is, in ratios of whole processes in one run: `make bench`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from dev.running import TAP, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 7
EVENTS = 200_000
PAGE = 1000
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Measure:
    """What a process cost."""

    cpu: float
    """User and system time in seconds."""

    memory: float
    """Peak in MiB."""


def measure(command: list[str]) -> Measure:
    """Run a process, its output thrown away."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=clean_environment(PYTHONDONTWRITEBYTECODE=""),
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} failed")
    return Measure(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def served(events: int, latency: float = 0.0) -> Iterator[tuple[str, int]]:
    """Serve pages from memory; yield the URL and the bytes of an average event."""
    command = [sys.executable, "-m", "dev.bench.pages", str(events // PAGE), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        url, size = server.stdout.readline().split()
        try:
            yield url, int(size)
        finally:
            server.terminate()


def config(folder: Path, url: str) -> list[str]:
    file = folder / "config.json"
    file.write_text(json.dumps({"api_url": url, "api_key": "bench"}))
    return ["--config", str(file)]


def overlap(folder: Path, url: str, pause: float) -> float:
    """Return the seconds from the first record to the last, read at the pace of `pause` a page."""
    tap = subprocess.Popen(
        [*TAP, *config(folder, url)],
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


def main() -> None:
    python = sys.executable
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("singer-sdk", "msgspec", "requests")
    )
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"tap-croct {metadata.version('tap-croct')}, {versions}")

    with tempfile.TemporaryDirectory() as name, served(EVENTS) as (url, size):
        folder = Path(name)
        commands = {
            "tap": [*TAP, *config(folder, url)],
            "floor": [python, "-m", "dev.bench.floor", url],
            "discover": [*TAP, "--discover"],
            "import": [python, "-c", "import singer_sdk"],
        }
        print(f"{EVENTS:,} events of {size} bytes, pages of {PAGE}, best of {RUNS} runs each\n")
        for command in commands.values():
            measure(command)  # warm caches
        results: dict[str, list[Measure]] = {name: [] for name in commands}
        for _ in range(RUNS):  # in turns, so that a slow minute of the machine strikes all
            for key, command in commands.items():
                results[key].append(measure(command))
        # The best run is the one that the machine's other work disturbed least.
        cpu = {key: min(m.cpu for m in found) for key, found in results.items()}
        template = measure([python, "-m", "dev.bench.template", *config(folder, url)]).cpu

    with tempfile.TemporaryDirectory() as name:
        peaks = {}
        for events in (100_000, 1_000_000):
            with served(events) as (url, _):
                peaks[events] = measure([*TAP, *config(Path(name), url)]).memory
        pages = 20
        with served(pages * PAGE, latency=0.1) as (url, _):
            seconds = overlap(Path(name), url, 0.1)
        one_after_the_other = (pages - 1) * 0.2 + 0.1

    rows = [
        ("", "measured", "ratio", "at most"),
        ("tap, CPU seconds", f"{cpu['tap']:.2f}", "", ""),
        ("against the SDK's template", f"{template:.2f}", f"1/{template / cpu['tap']:.1f}", "1/12"),
        (
            "against the floor (no SDK)",
            f"{cpu['floor']:.2f}",
            f"{cpu['tap'] / cpu['floor']:.2f}",
            "1.80",
        ),
        (
            "discovery, against `import singer_sdk`",
            f"{cpu['discover']:.2f} / {cpu['import']:.2f}",
            f"{cpu['discover'] / cpu['import']:.2f}",
            "1.50",
        ),
        (
            "peak memory, 1,000,000 against 100,000 events",
            f"{peaks[1_000_000]:.0f} / {peaks[100_000]:.0f} MiB",
            f"{peaks[1_000_000] / peaks[100_000]:.2f}",
            "1.10, 150 MiB",
        ),
        (
            "100 ms a page to fetch, 100 ms to write, against one after the other",
            f"{seconds:.2f} / {one_after_the_other:.2f} s",
            f"{seconds / one_after_the_other:.2f}",
            "0.60",
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("| " + " | ".join("-" * width for width in widths) + " |")
    rate = EVENTS / cpu["tap"]
    print(f"\n{rate:,.0f} events a CPU second; the template {EVENTS / template:,.0f}")


if __name__ == "__main__":
    main()
