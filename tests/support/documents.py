"""What README and docs tell people to type: the fenced blocks and inline commands of a page.

An HTML comment before a fence says what is special about it:

- `<!-- test: skip REASON -->`: can't be run here.
- `<!-- test: file NAME -->`: is the content of a file that the next commands need.
- `<!-- test: output -->`: shows what a command prints.
- `<!-- test: catalog STREAM -->`: entries of a stream's `metadata`, one a line, for `catalog.json`.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dev.environments import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
"""What `pyproject.toml` says."""

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+|~~~+)(?P<language>[\w-]*).*$")
_MARKER = re.compile(r"^ *<!-- test: (?P<kind>skip|file|output|catalog)(?: (?P<text>.+?))? *-->$")
_INLINE = re.compile(r"(?<!`)`((?:meltano|tap-croct|make|pip) [^`]+)`(?!`)")
_SHELL = ("bash", "sh", "shell", "console")


@dataclass(frozen=True)
class Step:
    """Something on a page that a reader would type, save or look at."""

    page: str
    line: int
    language: str
    """Of the fence, `bash` for all shells and for an inline command; empty if none is given."""

    text: str
    marker: str = ""
    """`skip`, `file`, `output`, `catalog` or nothing."""

    note: str = ""
    """Why it is skipped, the file's name, or the stream's."""

    @property
    def place(self) -> str:
        """Where it stands, as an editor opens it."""
        return f"{self.page}:{self.line}"


ELSEWHERE = ("airflow.md", "analytics.md", "first-export.md", "scheduling.md")
"""Pages whose commands have tests of their own, in `tests/analytics` and `tests/orchestration`."""


def pages() -> list[str]:
    """Return the names of the pages whose commands are run, such as `docs/duckdb.md`."""
    found = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")))
    return [str(page.relative_to(ROOT)) for page in found if page.name not in ELSEWHERE]


def table(page: str, heading: str) -> list[dict[str, str]]:
    """Return the rows of the first table below a heading, by the names of its columns.

    Args:
        page: Name of the page, such as `docs/targets.md`.
        heading: The heading, without its `#`.
    """
    _, _, below = (ROOT / page).read_text().partition(f"# {heading}\n")
    (lines,) = re.findall(r"\A\n(?:[^|#\n].*\n|\n)*((?:\|.*\n)+)", below)
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()
    ]
    return [dict(zip(head, row, strict=True)) for row in rows]


def steps(page: str) -> list[Step]:
    """Return what a page tells its readers to do, from top to bottom.

    Args:
        page: Name of the page, such as `docs/duckdb.md`.

    Raises:
        ValueError: If a fence is not closed, or a marker stands before nothing.
    """
    return list(_steps(page, (ROOT / page).read_text(encoding="utf-8").splitlines()))


def block(page: str, language: str, containing: str) -> str:
    """Return the only fenced block of a page in a language (`bash`: any shell) that has a text."""
    found = [s.text for s in steps(page) if s.language == language and containing in s.text]
    (text,) = found
    return text


def commands(page: str, containing: str) -> list[str]:
    """Return the commands of a page's shell block, one line each."""
    text = block(page, "bash", containing).replace("\\\n", " ")
    return [line for line in text.splitlines() if line]


def _steps(page: str, lines: list[str]) -> Iterator[Step]:
    marker = note = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if found := _MARKER.match(line):
            marker, note = found["kind"], found["text"] or ""
        elif fence := _FENCE.match(line):
            start = number
            end = re.compile(rf"^ *{re.escape(fence['fence'])} *$")
            while number < len(lines) and not end.match(lines[number]):
                number += 1
            if number == len(lines):
                message = f"{page}:{start}: the fence is not closed"
                raise ValueError(message)
            text = textwrap.dedent("\n".join(lines[start:number])) + "\n"
            language = "bash" if fence["language"] in _SHELL else fence["language"]
            yield Step(page, start, language, text, marker, note)
            marker = note = ""
            number += 1
        elif line.strip():
            if marker:
                message = f"{page}:{number}: a marker has to stand right before a fence"
                raise ValueError(message)
            for command in _INLINE.findall(line):
                if not re.search(r"…|\.\.\.|<|\bNAME\b", command):
                    yield Step(page, number, "bash", command.replace("\\|", "|") + "\n")
