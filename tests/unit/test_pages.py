"""What the pages quote is so: messages, links, sample rows, names of files."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import duckdb
import pytest

from dev.demo import OUTPUT
from dev.environments import ROOT
from dev.expected import KEYS, STREAMS, expected_records
from dev.sandbox import World

if TYPE_CHECKING:
    from pathlib import Path

TROUBLESHOOTING = (
    (ROOT / "docs" / "troubleshooting.md").read_text().split("## Without a message")[0]
)
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()
MESSAGES = sorted(
    {
        *re.findall(r"^\| `(.+?)` \|", TROUBLESHOOTING, re.MULTILINE),
        *re.findall(r"^\| `([A-Z].+?)` \|", OPERATIONS, re.MULTILINE),
    }
    - {"TAP_CROCT_LOGLEVEL"}
)


@cache
def texts_of_the_tap() -> tuple[str, ...]:
    """Return every literal text in the tap's source, cut at what is filled in, without backticks."""
    found = []
    for file in sorted((ROOT / "tap_croct").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "\0" for p in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(re.sub(r"%[.\d]*[sdfr]", "\0", text).replace("`", "") for text in found)


def missing(message: str) -> list[str]:
    """Return the parts of a quoted message, between its `…`, that are in no text of the tap."""
    message = re.sub(r"^\d{3} ", "", message)  # the status is the API's
    parts = [part.strip(" .:;(),\"'") for part in message.split("…")]
    return [part for part in parts if part and not any(part in text for text in texts_of_the_tap())]


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_exists(message: str) -> None:
    assert missing(message) == []


def test_messages_are_found_and_missed() -> None:
    assert len(MESSAGES) > 50
    assert missing("The catalog selects no stream, and so on") != []
    assert missing("page_size: must be …") != []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_links_lead_to_headings() -> None:
    found = 0
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for name, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text()):
            if "://" not in name:
                found += 1
                assert anchor in anchors(page.parent / name if name else page), (page, anchor)
    assert found > 10


@pytest.mark.parametrize(
    ("page", "pattern", "folder"),
    [
        ("CONTRIBUTING.md", r"(?s)\n## The path of a record\n.+?\n## ", "tap_croct"),
        ("docs/reliability.md", r"(?s).+", "."),
    ],
)
def test_files_that_are_named_exist(page: str, pattern: str, folder: str) -> None:
    text = re.findall(pattern, (ROOT / page).read_text())[0]
    names = re.findall(r"`([\w/]+\.py)`", text)
    assert len(names) > 5
    assert [name for name in names if not (ROOT / folder / name).exists()] == []


@pytest.mark.parametrize("stream", STREAMS)
def test_the_sample_rows_are_those_of_the_demo(stream: str) -> None:
    (block,) = re.findall(r"```text\n(croct\.events.*?)```", README, re.DOTALL)
    (rows,) = re.findall(rf"(?ms)^croct\.{stream}\b.*?$(.+?)(?=^croct|\Z)", block)
    rows = re.sub(r"\n {3,}", " ", rows)  # a value goes on in the next line
    sample = dict(re.findall(r"(?m)^  (\w+) +(.+?)$", rows))
    records = expected_records(World(visits=250), stream)
    (record,) = [r for r in records if r[KEYS[stream]] == sample[KEYS[stream].lower()]]
    values = {name.lower(): value for name, value in record.items()}
    for column, shown in sample.items():
        value = values[column]
        if isinstance(value, dict):
            pairs = re.findall(r'"[^"]+": (?:"[^"…]*"|[\d.]+)', shown)
            assert pairs
            assert all(pair in json.dumps(value) for pair in pairs), (column, pairs)
        elif re.match(r"\d{4}-\d\d-\d\dT", str(value)):
            assert shown == value.replace("T", " ").removesuffix("Z")
        else:
            assert shown == value


def test_the_query_of_the_demo(tmp_path: Path) -> None:
    """The command that the README has for its warehouse; the demo itself takes too long here."""
    warehouse = tmp_path / OUTPUT.relative_to(ROOT) / "warehouse.duckdb"
    warehouse.parent.mkdir(parents=True)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema croct")
        connection.execute("create table croct.events as select 'orderPlaced' as eventtype")
    (command,) = re.findall(r"```bash\n\.venv/bin/python (.+?)```", README, re.DOTALL)
    command = f"{shlex.quote(sys.executable)} {command}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    assert b"orderPlaced" in done.stdout
