"""What the pages say is so: messages, links, names of files, sample rows."""

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

from dev.environments import REQUIREMENTS, ROOT
from dev.expected import KEYS, STREAMS, expected_records
from dev.sandbox import World
from tests.support.documents import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()


# Messages


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
    parts = [part.strip(" .:;(),\"'") for part in message.split("…")]
    return [part for part in parts if part and not any(part in text for text in texts_of_the_tap())]


def quoted() -> Iterator[str]:
    """Yield the messages that the list items of two pages begin with."""
    for page in (TROUBLESHOOTING, OPERATIONS):
        for codes in re.findall(r"^- (`[^`]+`(?:, `[^`]+`)*):", page, re.MULTILINE):
            yield from re.findall(r"`([^`]+)`", codes)


MESSAGES = sorted(set(quoted()))


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_exists(message: str) -> None:
    assert missing(re.sub(r"^\d{3} ", "", message)) == []  # the status is the API's


def test_messages_are_found_and_missed() -> None:
    assert len(MESSAGES) > 20
    assert missing("The catalog selects no stream, and so on") != []
    assert missing("page_size: must be …") != []


def test_the_lines_of_the_log_exist() -> None:
    (log,) = re.findall(
        r"```text\n(events: resumes.+?^Done: .+?)```", OPERATIONS, re.DOTALL | re.MULTILINE
    )
    words = ("resumes", "records in", "done (", "caught up", "Done: ", "nothing left")
    for word in words:
        assert word in log
        assert any(word in text for text in texts_of_the_tap()), word


# Links


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


# Files


def test_the_path_of_a_record_names_real_files() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    (path,) = re.findall(
        r"^## The path of a record$(.+?)^## ", contributing, re.DOTALL | re.MULTILINE
    )
    files = re.findall(r"`([\w/]+\.py)`", path)
    assert len(files) >= 10
    assert [file for file in files if not (ROOT / "tap_croct" / file).exists()] == []
    assert len(re.findall(r"^\d+\. ", path, re.MULTILINE)) == 10


def test_tests_that_are_named_exist() -> None:
    names = re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / "reliability.md").read_text())
    assert len(names) > 5
    assert [name for name in names if not (ROOT / name).exists()] == []


# Versions


def test_the_targets_are_those_that_tests_load() -> None:
    pins = {
        line
        for file in REQUIREMENTS.glob("*.txt")
        for line in file.read_text().splitlines()
        if "==" in line
    }
    tried = {
        "==".join(row["package"].split("` ")).strip("`")
        for row in table("docs/targets.md", "Targets")
    }
    assert len(tried) == 7
    assert tried <= pins


# Sample rows


def samples() -> dict[str, dict[str, str]]:
    """Return the columns that the README shows of a row of each table, as text."""
    rows: dict[str, dict[str, str]] = {}
    stream = column = ""
    (block,) = re.findall(r"```text\n(croct\.events.*?)```", README, re.DOTALL)
    for line in block.splitlines():
        if found := re.match(r"croct\.(\w+)", line):
            stream = found[1]
            rows[stream] = {}
        elif found := re.match(r"  (\w+) +(.+)", line):
            column = found[1]
            rows[stream][column] = found[2]
        elif line.strip():
            rows[stream][column] += " " + line.strip()
    return rows


@pytest.mark.parametrize("stream", STREAMS)
def test_the_sample_rows_are_those_of_the_demo(stream: str) -> None:
    sample = samples()[stream]
    key = KEYS[stream].lower()
    (record,) = [
        {name.lower(): value for name, value in record.items()}
        for record in expected_records(World(visits=250), stream)
        if record[KEYS[stream]] == sample[key]
    ]
    for column, shown in sample.items():
        value = record[column]
        if isinstance(value, dict):
            whole = json.dumps(value)
            pairs = re.findall(r'"[^"]+": (?:"[^"…]*"|[\d.]+)', shown)
            assert pairs
            assert all(pair in whole for pair in pairs), (column, pairs)
        elif re.match(r"\d{4}-\d\d-\d\dT", str(value)):
            assert shown == value.replace("T", " ").removesuffix("Z")
        else:
            assert shown == value


def test_the_warehouse_of_the_demo_opens(tmp_path: Path) -> None:
    """The command that the README has for it; the demo itself takes too long here."""
    warehouse = tmp_path / "output" / "demo" / "warehouse.duckdb"
    warehouse.parent.mkdir(parents=True)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema croct")
        connection.execute("create table croct.events as select 'orderPlaced' as eventtype")
    (command,) = re.findall(r"```bash\n(\.venv/bin/python .+?)```", README, re.DOTALL)
    command = command.replace(".venv/bin/python", shlex.quote(sys.executable), 1)
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "orderPlaced" in done.stdout
    assert 'OUTPUT = ROOT / "output" / "demo"' in (ROOT / "dev" / "demo.py").read_text()
