"""The commands and files that the pages in `docs` show."""

from tests.support.documents import steps


def block(page: str, language: str, containing: str) -> str:
    """Return the only fenced block of a page in a language (`bash`: any shell) that has a text."""
    found = [s.text for s in steps(page) if s.language == language and containing in s.text]
    (text,) = found
    return text


def commands(page: str, containing: str) -> list[str]:
    """Return the commands of a page's shell block, one line each."""
    text = block(page, "bash", containing).replace("\\\n", " ")
    return [line for line in text.splitlines() if line]
