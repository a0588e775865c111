"""What the docs contain."""

from __future__ import annotations

import re

from dev.environments import ROOT


def blocks(path: str, language: str) -> list[str]:
    """Return the code blocks of a page that are in a language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)


def columns(path: str) -> dict[str, list[tuple[str, str]]]:
    """Return the columns that a page says each table has, with their types."""
    found = re.findall(
        r"^\| (events|sessions|users) \| (.+) \|$", (ROOT / path).read_text(), re.MULTILINE
    )
    return {
        table: [tuple(column.split(" ", 1)) for column in text.split(", ")] for table, text in found
    }
