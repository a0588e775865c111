"""The README quotes the benchmark as the page of the benchmark has it."""

from __future__ import annotations

from dev.bench import __main__ as bench
from dev.bench import quote
from dev.bench.ways import WAYS


def test_the_readme_quotes_the_page() -> None:
    readme = quote.README.read_text()
    assert quote.with_quote(readme, quote.PERFORMANCE.read_text()) == readme


def test_the_quoted_rows() -> None:
    found = [[w.title, "1.00", "16.00", "1/16.0", "1/15", "49,800", "5,400", "9.2"]
             for w in WAYS.values()]  # fmt: skip
    found[0][5] = "50,123"
    found[-1][6:] = ["", ""]  # as of a way that target-duckdb does not take
    page = bench.filled(quote.PERFORMANCE.read_text(), bench.table(bench.WAY_COLUMNS, found))
    text = quote.quoted(page)
    head, _, first, *rest = text.splitlines()
    assert head.count("|") == 5
    assert first == "| events as they come | 50,123 | 1/16.0 | 5,400 |"
    assert len(rest) == 5
    once = quote.with_quote(quote.README.read_text(), page)
    assert text in once
    assert quote.with_quote(once, page) == once


def test_nothing_measured_is_nothing_quoted() -> None:
    assert quote.quoted("| another | table |\n") == ""
