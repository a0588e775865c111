"""Links, workflows and tables of columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dev.environments import ROOT
from dev.expected import STREAMS
from tests.support.documents import columns

if TYPE_CHECKING:
    from pathlib import Path


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def test_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            if "://" not in link:
                path, _, anchor = link.partition("#")
                target = page.parent / path if path else page
                assert target.exists(), (page, link)
                assert not anchor or anchor in headings(target), (page, link)


def test_the_pages_name_every_column() -> None:
    names = {
        table: [name for name, _ in found] for table, found in columns("docs/snowflake.md").items()
    }
    for page in ("bigquery", "duckdb", "postgresql"):
        for stream in STREAMS:
            found = [name for name, _ in columns(f"docs/{page}.md")[stream]]
            wanted = [n.lower() for n in names[stream]] if page == "duckdb" else names[stream]
            assert found == wanted
