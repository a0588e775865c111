"""The commands and files that the pages in `docs` show."""

from __future__ import annotations

import re

from dev.environments import ROOT


def block(page: str, language: str, containing: str) -> str:
    """Return the fenced block of a page that contains a text.

    Args:
        page: The page's path in the repository.
        language: What stands behind the fence.
        containing: A text that no other block of this language contains.

    Raises:
        ValueError: If not exactly one block does.
    """
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )
    (found,) = [text for text in blocks if containing in text]
    return str(found)


def commands(page: str, containing: str) -> list[str]:
    """Return the commands of a page's shell block, one line each.

    Args:
        page: The page's path in the repository.
        containing: A text that no other block of the page contains.
    """
    text = block(page, "bash", containing).replace("\\\n", " ")
    return [line for line in text.splitlines() if line]
