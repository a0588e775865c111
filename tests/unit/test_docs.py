"""What the pages say is so: messages, links, names of files, sample rows."""

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import pytest

from dev import dictionary
from dev.environments import REQUIREMENTS, ROOT
from dev.expected import KEYS, STREAMS, expected_records
from dev.sandbox import World
from tap_croct import schemas
from tests.support.documents import table

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
    (log,) = re.findall(r"```text\n(events: resumes.+?\nDone: .+?)```", OPERATIONS, re.DOTALL)
    for word in ("resumes", "records in", "done (", "caught up", "Done: ", "nothing left"):
        assert word in log
        assert missing(word) == []


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


@pytest.mark.parametrize(
    ("page", "folder", "least"), [("CONTRIBUTING", "tap_croct", 15), ("docs/reliability", ".", 6)]
)
def test_files_that_are_named_exist(page: str, folder: str, least: int) -> None:
    """The modules on the path of a record, and the tests that hold a promise."""
    text = (ROOT / f"{page}.md").read_text()
    named = {
        name
        for name in re.findall(r"`([\w/]+\.py)`", text)
        if name.startswith(("dev/", "tests/")) or "/" not in name
    }
    assert len(named) >= least
    assert [
        name for name in named if not (ROOT / folder / name).exists() and not (ROOT / name).exists()
    ] == []


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


def test_the_sample_rows_are_those_of_the_demo() -> None:
    """One row of each table: texts as they are, objects pair by pair, as far as they are shown."""
    world = World(visits=250)
    for stream in STREAMS:
        (block,) = re.findall(rf"^croct\.{stream} .*\n\n((?:  .+\n)+)", README, re.MULTILINE)
        shown = dict(re.findall(r"^  (\w+) +(.+)$", block, re.MULTILINE))
        records = {record[KEYS[stream]]: record for record in expected_records(world, stream)}
        record = records[shown[KEYS[stream].lower()]]
        for column, value in {name.lower(): value for name, value in record.items()}.items():
            if isinstance(value, dict):
                for pair in re.findall(r'"[^"]+": (?:"[^"…]*"|[\d.]+)', shown.pop(column, "")):
                    assert pair in json.dumps(value)
            elif column in shown:
                assert shown.pop(column).replace(" ", "T") in {value, value.removesuffix("Z")}
        assert shown == {}


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


# The data dictionary says what the schemas say

DICTIONARY = dictionary.PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert dictionary.page() == DICTIONARY, "docs/streams.md is out of date: run `make dictionary`"


def test_columns_have_their_types_and_their_events() -> None:
    for row in (
        r"timestamp` \| timestamp \| .+",
        r"payload\.cart\.items` \| list of objects \| .+ \|  \|",
        r"payload\.order\.taxes` \| map of numbers \| .+ \|  \|",
        r"payload\.order` \| object \| .+`orderPlaced`.*\|",
    ):
        assert re.search(rf"^\| `{row}$", DICTIONARY, re.MULTILINE), row


def test_every_event_type_is_there() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", DICTIONARY, re.MULTILINE))
    assert schemas.EVENT_DESCRIPTIONS.items() <= rows.items()
    assert schemas.EVENT_DESCRIPTIONS.keys() == schemas.PAYLOADS.keys()
