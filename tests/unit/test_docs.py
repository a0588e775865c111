"""Links, workflows and tables of columns."""

from __future__ import annotations

import re

from dev.environments import ROOT
from dev.expected import STREAMS
from tests.support.documents import columns


def test_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), (page, link)


def test_the_pages_name_every_column() -> None:
    names = {
        table: [name for name, _ in found] for table, found in columns("docs/snowflake.md").items()
    }
    for page in ("bigquery", "duckdb", "postgresql"):
        for stream in STREAMS:
            found = [name for name, _ in columns(f"docs/{page}.md")[stream]]
            wanted = [n.lower() for n in names[stream]] if page == "duckdb" else names[stream]
            assert found == wanted
