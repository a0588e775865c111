"""The rows of the benchmark that the README quotes: `python -m dev.bench.quote` copies them.

`python -m dev.bench --write` does so, too; a test holds the two pages equal.
"""

from __future__ import annotations

from dev.bench.ways import WAYS
from dev.environments import ROOT

README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- quoted from docs/performance.md: begin -->\n", "<!-- quoted: end -->\n"

_ROWS = ("events", "users", "cart", "flattened-events", "hashed", "batch")
_HEAD = (
    "",
    "tap, records per CPU second",
    "CPU time, template = 1",
    "target-duckdb, records per CPU second",
)
_CELLS = (0, 5, 3, 6)
"""Where they are in a row of the whole table."""


def quoted(performance: str) -> str:
    """Return the rows of the whole table that the README has.

    Args:
        performance: The page with the whole table.

    Returns:
        A table in Markdown; empty if nothing was measured yet.
    """
    lines = [line.strip()[1:-1].split("|") for line in performance.splitlines() if "|" in line]
    table = {cells[0].strip(): [cell.strip() for cell in cells] for cells in lines}
    titles = [WAYS[row].title for row in _ROWS]
    if any(title not in table for title in titles):
        return ""
    rows = [[table[title][cell] for cell in _CELLS] for title in titles]
    return "".join(f"| {' | '.join(row)} |\n" for row in (_HEAD, ["---"] * len(_HEAD), *rows))


def with_quote(readme: str, performance: str) -> str:
    """Return the README with the rows of another page.

    Args:
        readme: The README, with markers around the rows.
        performance: The page with the whole table.
    """
    start = readme.index(BEGIN) + len(BEGIN)
    text = quoted(performance)
    return f"{readme[:start]}\n{text}{text and chr(10)}{readme[readme.index(END, start) :]}"


def update() -> None:
    """Copy the rows."""
    pages = (page.read_text(encoding="utf-8") for page in (README, PERFORMANCE))
    README.write_text(with_quote(*pages), encoding="utf-8")


if __name__ == "__main__":
    update()
