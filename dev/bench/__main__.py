"""How fast the tap is, in ratios of whole processes in one run: `make bench`.

`python -m dev.bench --help` tells how to measure single rows, quickly.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from dev.bench import measuring
from dev.bench.pages import PAGE
from dev.bench.ways import WAYS, Sizes, measured
from dev.environments import ROOT
from dev.running import TAP, write

if TYPE_CHECKING:
    from collections.abc import Iterator

BASELINE_EVENTS = 200_000
REST = ("baseline", "discovery", "memory", "overlap")
PAGE_WITH_TABLE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- make bench: begin -->\n", "<!-- make bench: end -->\n"

WAY_COLUMNS = (
    "",
    "tap, CPU s",
    "template, CPU s",
    "ratio",
    "at most",
    "tap, records/s",
    "target-duckdb, records/s",
    "tap / target, at least 2",
)
OTHER_COLUMNS = ("", "measured", "ratio", "at most")


def baseline(base: str, folder: Path, sizes: Sizes) -> Iterator[list[str]]:
    """Measure events against the loop without SDK, and against the template."""
    config = write(folder / "many.json", measuring.settings(base, "events", BASELINE_EVENTS))
    url = f"{base}/events/{BASELINE_EVENTS}/0"
    cpu = measuring.best(
        {
            "tap": [*TAP, "--config", config],
            "baseline": [sys.executable, "-m", "dev.bench.baseline", url],
            "template": [*measuring.TEMPLATE, "--config", config],
        },
        {"tap": sizes.runs, "baseline": sizes.runs},
        folder / "batches",
    )
    title = f"{BASELINE_EVENTS:,} events as they come, against the"
    yield [
        f"{title} baseline",
        f"{cpu['tap']:.2f} / {cpu['baseline']:.2f} s",
        f"{cpu['tap'] / cpu['baseline']:.2f}",
        "1.80",
    ]
    yield [
        f"{title} template",
        f"{cpu['tap']:.2f} / {cpu['template']:.2f} s",
        f"1/{cpu['template'] / cpu['tap']:.1f}",
        "1/12",
    ]


def discovery(base: str, folder: Path, sizes: Sizes) -> Iterator[list[str]]:
    """Measure what it takes to start."""
    del base
    commands = {
        "discover": [*TAP, "--discover"],
        "import": [sys.executable, "-c", "import singer_sdk"],
    }
    cpu = measuring.best(commands, dict.fromkeys(commands, sizes.runs), folder / "batches")
    yield [
        "discovery, against `import singer_sdk`",
        f"{cpu['discover']:.2f} / {cpu['import']:.2f} s",
        f"{cpu['discover'] / cpu['import']:.2f}",
        "1.50",
    ]


def memory(base: str, folder: Path, sizes: Sizes) -> Iterator[list[str]]:
    """Measure whether memory grows with the export."""
    del sizes
    peaks = []
    for events in (100_000, 1_000_000):
        config = write(folder / f"{events}.json", measuring.settings(base, "events", events))
        peaks.append(measuring.measure([*TAP, "--config", config]).memory)
    yield [
        "peak memory, 1,000,000 events against 100,000",
        f"{peaks[1]:.0f} / {peaks[0]:.0f} MiB",
        f"{peaks[1] / peaks[0]:.2f}",
        "1.10, 150 MiB",
    ]


def overlap(base: str, folder: Path, sizes: Sizes) -> Iterator[list[str]]:
    """Measure whether a page is fetched while the one before it is written."""
    del sizes
    pages, pause = 20, 0.1
    config = measuring.settings(base, "events", pages * PAGE, pause)
    seconds = measuring.overlap(write(folder / "slow.json", config), pause)
    in_turns = (pages - 1) * 2 * pause + pause
    yield [
        "100 ms a page to fetch, 100 ms to write, against one after the other",
        f"{seconds:.2f} / {in_turns:.2f} s",
        f"{seconds / in_turns:.2f}",
        "0.60",
    ]


def table(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [columns, ["-" * width for width in widths], *rows]
    return "".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |\n"
        for line in lines
    )


def chosen(names: str) -> list[str]:
    """Return the rows that are meant; part of a name means all that contain it.

    Raises:
        SystemExit: If there is no such row.
    """
    known = [*WAYS, *REST]
    found: list[str] = []
    for name in names.split(",") if names else known:
        rows = [name] if name in known else [row for row in known if name in row]
        if not rows:
            sys.exit(f"There is no row {name}; there are {', '.join(known)}")
        found += rows
    return found


def report(rows: list[str], sizes: Sizes) -> str:
    """Measure rows; return what is to be printed, and print each as soon as it is known."""
    found: list[list[str]] = []
    rest: list[list[str]] = []
    others = {"baseline": baseline, "discovery": discovery, "memory": memory, "overlap": overlap}
    with tempfile.TemporaryDirectory() as name, measuring.served() as (base, bytes_each):
        folder = Path(name)
        measuring.measure([*TAP, "--discover"])  # warm caches
        for row in rows:
            if row in WAYS:
                found.append(measured(base, WAYS[row], sizes, folder))
                print(*found[-1], sep=" | ", file=sys.stderr, flush=True)
            else:
                rest += others[row](base, folder, sizes)
                print(*rest[-1], sep=" | ", file=sys.stderr, flush=True)
    average = ", ".join(f"{size:,} bytes ({stream})" for stream, size in bytes_each.items())
    counts = f"{sizes.records:,} records each, {sizes.target_records:,} for target-duckdb"
    runs = f"best of {sizes.runs} runs of the tap and {sizes.template_runs} of the template"
    parts = [f"{about()}. {counts}, in pages of {PAGE:,}, of {average} on average; {runs}.\n"]
    parts += [table(WAY_COLUMNS, found)] if found else []
    parts += [table(OTHER_COLUMNS, rest)] if rest else []
    return "\n".join(parts)


def filled(page: str, text: str) -> str:
    """Return a page with a text between the markers.

    Args:
        page: The page as it is.
        text: What is to stand there.

    Raises:
        ValueError: If there are no such markers.
    """
    start = page.index(BEGIN) + len(BEGIN)
    return f"{page[:start]}\n{text}\n{page[page.index(END, start) :]}"


def about() -> str:
    """Return what the figures depend on."""
    packages = ("tap-croct", "singer-sdk", "msgspec", "requests")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{machine}, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dev.bench", description=__doc__)
    parser.add_argument("--rows", default="", help=f"of {', '.join([*WAYS, *REST])}; all of them")
    parser.add_argument("--records", type=int, default=100_000, help="of each way")
    parser.add_argument("--runs", type=int, default=5, help="of the tap, the best counts")
    parser.add_argument("--template-runs", type=int, default=2, help="of the template")
    parser.add_argument("--target-records", type=int, default=20_000, help="for target-duckdb")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"put the tables into {PAGE_WITH_TABLE.name}, too",
    )
    options = parser.parse_args()
    sizes = Sizes(options.records, options.runs, options.template_runs, options.target_records)
    text = report(chosen(options.rows), sizes)
    print(text)
    if options.write:
        page = PAGE_WITH_TABLE.read_text(encoding="utf-8")
        PAGE_WITH_TABLE.write_text(filled(page, text), encoding="utf-8")


if __name__ == "__main__":
    main()
