"""Real targets of different lineages, counted row for row and compared value for value.

The data has what the schemas do not know, too: nothing of it is lost, and nothing stops.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from dev.environments import ROOT
from dev.expected import KEYS, STREAMS, Record, by_key, expected
from dev.postgres import Postgres
from dev.running import run_tap
from dev.sandbox import Sandbox, World
from dev.warehouse import SCHEMAS
from tests.support.loaded import DuckDB, Jsonl, PostgresTarget, S3Jsonl, Target, utc
from tests.support.pipes import Pipe

pytestmark = pytest.mark.slow

POSTGRES = {"meltanolabs": "target-postgres", "pipelinewise": "pipelinewise-target-postgres"}
ON_POSTGRES = [pytest.param(name, marks=pytest.mark.xdist_group("postgres")) for name in POSTGRES]
FLAT = {"flattening_enabled": True, "flattening_max_depth": 3}


@pytest.fixture(params=["jsonl", "s3", "duckdb", *ON_POSTGRES])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """Each target in turn, with nothing loaded."""
    kind: str = request.param
    place = f"{request.function.__name__}_{kind}".removeprefix("test_")
    if kind in POSTGRES:
        database = request.getfixturevalue("database")
        return PostgresTarget(tmp_path, database, place, POSTGRES[kind])
    if kind == "s3":
        return S3Jsonl(tmp_path, request.getfixturevalue("s3"), place.replace("_", "-"))
    # Several batches: none loses its first record.
    return Jsonl(tmp_path) if kind == "jsonl" else DuckDB(tmp_path, batch_size_rows=100)


# Data that the schemas do not promise: additions, old contracts, huge numbers, impossible times

BEYOND_CALENDARS = 400_000_000_000_000
"""Milliseconds since the epoch: in the year 14645."""

ADDED = {"a": [1, {"b": 2**70}], "c": None}


def add_odd_items(world: World, *, nul: bool = False) -> None:
    """Let one item of each stream be odd.

    Args:
        world: The sandbox's data.
        nul: Whether there are NUL characters, too; many targets can't store them.
    """
    user, session, event = (dict(world.items(name)[-1]) for name in ("users", "sessions", "events"))
    user |= {
        "addedLater": ADDED,
        "addedText": "später",
        "birthDate": BEYOND_CALENDARS,
        "activities": "climbing",
        "customAttributes": {"big": 2**70, "small": -(2**65), "ratio": 0.1, "addedLater": ADDED},
    }
    del user["gender"], user["companyUrl"]
    session |= {
        "addedLater": "text",
        "location": {**session["location"], "planet": {"name": "Earth"}},
        "campaign": {"addedLater": [1, 2]},
        "attributes": {"big": 2**64, "nested": {"deep": {"deeper": [2**65]}}},
        "statistics": {"pageViews": 2**40, "tabViews": 1, "orders": 0},
    }
    del session["referrer"]
    event |= {
        "addedLater": True,
        "context": None,
        "payload": {
            "@type": "eventOccurred",
            "name": "odd",
            "details": {"big": 2**70, "list": [1.5, None, {"x": "y"}]},
            "addedLater": ADDED,
        },
    }
    if nul:
        user |= {"company": "AC\0ME", "customAttributes": {"no\0te": "a\0b"}}
        event["payload"]["details"] = {"no\0te": ["a\0b"]}
    for stream, item in (("users", user), ("sessions", session), ("events", event)):
        world.logs[stream].extend([item])


def record_of(stream: str, item: dict[str, Any]) -> Record:
    known = {name: value for name, value in item.items() if name in SCHEMAS[stream]["properties"]}
    if item.get("birthDate") == BEYOND_CALENDARS:
        known["birthDate"] = None
    record = expected(stream, known)
    added = {name: value for name, value in item.items() if name not in known}
    return {
        **dict.fromkeys(SCHEMAS[stream]["properties"]),
        **record,
        "additionalProperties": added or None,
    }


def wanted(target: Target, sandbox: Sandbox, nul: str = "\0") -> dict[str, dict[str, Any]]:
    """Return the tables that a target should have.

    Args:
        target: The target.
        sandbox: The source.
        nul: What stands for NUL.
    """
    found = {
        stream: by_key(stream, [record_of(stream, item) for item in sandbox.world.items(stream)])
        for stream in STREAMS
    }
    text = json.dumps(found).replace(r"\u0000", nul)
    tables: dict[str, dict[str, Any]] = json.loads(text, strict=False)
    for records in tables.values():
        for record in records.values():
            record |= {name: target.empty for name, value in record.items() if value == ""}
    return tables


def test_twice(target: Target, sandbox: Sandbox) -> None:
    """New data, late data, a session that closes later and users who change."""
    add_odd_items(sandbox.world, nul=not isinstance(target, PostgresTarget))
    target.run(sandbox.config(page_size=100))
    assert target.tables() == wanted(target, sandbox)
    before = {s["sessionId"]: s["closeTime"] for s in sandbox.world.items("sessions")}
    sandbox.world.visits(15)
    sandbox.world.late_events(6)
    sandbox.world.change_users(4)
    sessions = sandbox.world.items("sessions")
    assert any(before.get(s["sessionId"], s["closeTime"]) != s["closeTime"] for s in sessions)
    new = target.run(sandbox.config(page_size=100)).counts()
    assert target.tables() == wanted(target, sandbox)
    assert len(target.records("events")) == len(sandbox.world.items("events"))
    for stream in STREAMS:
        assert 0 < new[stream] < len(sandbox.world.items(stream))


def test_flattened(target: Target, sandbox: Sandbox) -> None:
    """Each text that the tap put out; the `@` of `payload__@type` stays, so it has to be quoted."""
    add_odd_items(sandbox.world)
    output = target.run(sandbox.config(**FLAT))
    for stream in STREAMS:
        rows = {row[KEYS[stream].lower()]: row for row in map(lower, target.records(stream))}
        records = [lower(record) for record in output.records(stream)]
        assert len(rows) == len(records) == len(sandbox.world.items(stream))
        for record in records:
            row = rows[record[KEYS[stream].lower()]]
            texts = {
                name: value
                for name, value in record.items()
                if value and isinstance(value, str) and not value.endswith("Z")
            }
            assert {name: row[name] for name in texts} == texts


def lower(record: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in record.items()}


@pytest.mark.parametrize("kind", ON_POSTGRES)
def test_nul_in_postgres(sandbox: Sandbox, tmp_path: Path, database: Postgres, kind: str) -> None:
    """It stops PostgreSQL, also with the target's own switch, but not with the tap's."""
    page = (ROOT / "docs" / "targets.md").read_text()
    add_odd_items(sandbox.world, nul=True)
    messages = run_tap(tmp_path, sandbox.config()).stdout
    for switch in (False, True):  # pipelinewise's has none
        error = "unsupported Unicode escape sequence"
        if kind == "meltanolabs" and not switch:
            error = "PostgreSQL text fields cannot contain NUL (0x00) bytes"
        own = {"sanitize_null_text_characters": switch}
        target = PostgresTarget(tmp_path, database, f"nul_{kind}", POSTGRES[kind], **own)
        done = target.load(messages)
        assert done.returncode != 0
        assert error in done.stderr.decode()
        assert error in page
    target = PostgresTarget(tmp_path, database, f"no_nul_{kind}", POSTGRES[kind])
    target.run(sandbox.config(replace_nul_characters=True))
    assert target.tables() == wanted(target, sandbox, nul="�")


def test_csv(sandbox: Sandbox, tmp_path: Path) -> None:
    """target-csv knows neither types nor nesting: each cell is the text of what the tap put out."""
    add_odd_items(sandbox.world, nul=True)
    config = {"output_path": str(tmp_path), "file_naming_scheme": "{stream_name}.csv"}
    output = Pipe(tmp_path, "target-csv", config).run(sandbox.config(**FLAT))
    schemas = {m["stream"]: m["schema"]["properties"] for m in output.of("SCHEMA")}
    for stream in STREAMS:
        with (tmp_path / f"{stream}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        records = output.records(stream)
        assert len(rows) == len(records) == len(sandbox.world.items(stream))
        for row, record in zip(rows, records, strict=True):
            for name, value in record.items():
                time = schemas[stream][name].get("format") and row[name]
                cell = utc(row[name]) if time else row[name]
                assert cell == ("" if value is None else str(value)), (stream, name)
