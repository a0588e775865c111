"""`bin/nightly.sh`, night after night: the state is never ahead of what was loaded."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dev.environments import ROOT, environment
from dev.expected import STREAMS, Record, by_key, expected_records, moment
from dev.running import clean_environment, write
from dev.sandbox import Fault, Sandbox
from dev.warehouse import SCHEMAS, row_differences
from tests.support import duck
from tests.support.catalogs import selected_catalog
from tests.support.documents import steps
from tests.support.duck import path_with

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "bin" / "nightly.sh"


class Nights:
    """Runs of the script, with the same configuration and state."""

    def __init__(
        self, folder: Path, sandbox: Sandbox, target: tuple[str, ...], *programs: Path
    ) -> None:
        """Prepare the folder.

        Args:
            folder: For configuration, state and what is loaded.
            sandbox: The source.
            target: The target, with its options.
            programs: Folders of more programs.
        """
        self.folder = folder
        self.sandbox = sandbox
        self.target = target
        self.programs = (folder / "tools", *programs, Path(sys.executable).parent)
        (folder / "tools").mkdir()
        self.configure()

    def configure(self, **settings: Any) -> None:
        write(self.folder / "config.json", self.sandbox.config(page_size=100) | settings)

    def fake(self, program: str, text: str) -> Path:
        """Put a program before the real one."""
        file = self.folder / "tools" / program
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a night in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            [SCRIPT, *(arguments or self.target)],
            cwd=self.folder,
            env=clean_environment(PATH=path_with(*self.programs)),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> int:
        """Run a night; return the exit code."""
        night = self.start(*arguments)
        night.communicate(timeout=120)
        return night.returncode

    @property
    def state(self) -> Any:
        return json.loads((self.folder / "state.json").read_text())

    def cursors(self) -> dict[str, str]:
        """Return the cursor of each stream in the state."""
        return {stream: self.state["bookmarks"][stream]["cursor"] for stream in STREAMS}

    def first_cursors(self) -> dict[str, str | None]:
        """Return the cursor of each stream's first request."""
        return {stream: self.sandbox.pages(stream)[0].param("cursor") for stream in STREAMS}


@pytest.fixture
def nights(tmp_path: Path, sandbox: Sandbox) -> Nights:
    """Night after night into JSON Lines files."""
    write(tmp_path / "target.json", {"do_timestamp_file": False})
    program = str(environment("target-jsonl") / "target-jsonl")
    return Nights(tmp_path, sandbox, (program, "--config", "target.json"))


def check(nights: Nights) -> None:
    """Compare the last line of each key with the source."""
    for stream in STREAMS:
        with (nights.folder / f"{stream}.jsonl").open(encoding="utf-8") as lines:
            found = by_key(stream, list(map(json.loads, lines)))
        assert found == by_key(stream, expected_records(nights.sandbox.world, stream))


def ctrl_c(nights: Nights) -> int:
    nights.sandbox.switches.latency = 0.3
    nights.sandbox.requests.clear()
    night = nights.start()
    while not nights.sandbox.requests:
        time.sleep(0.01)
    os.killpg(night.pid, signal.SIGINT)
    night.communicate(timeout=60)
    time.sleep(0.5)  # requests under way are counted when they are answered
    nights.sandbox.switches.latency = 0
    return night.returncode


TROUBLES: dict[str, tuple[str, ...]] = {
    "it does not start": ("target-that-does-not-exist",),
    "it fails early": ("sh", "-c", "head -n 1 > /dev/null; exit 3"),
    "it fails late": ("sh", "-c", "grep '\"STATE\"' | head -n 1; exit 3"),
    "it says no state": ("sh", "-c", "cat > /dev/null"),
}
"""What can be wrong with a target."""


def test_a_week_of_trouble(sandbox: Sandbox, nights: Nights) -> None:
    """A night that fails says so; the first good one after it resumes where the last one ended."""
    assert nights.run() == 0
    check(nights)
    state = nights.state
    sandbox.world.visits(10)
    for settings in ({"api_key": "wrong"}, {"page_size": 5000}):
        nights.configure(**settings)
        assert nights.run() != 0
        assert nights.state == state, settings
    nights.configure()
    for trouble, target in TROUBLES.items():
        assert nights.run(*target) != 0, trouble
        assert nights.state == state, trouble
    assert ctrl_c(nights) != 0
    assert nights.state == state
    sandbox.requests.clear()
    assert nights.run() == 0
    assert nights.first_cursors() == {s: state["bookmarks"][s]["cursor"] for s in STREAMS}
    check(nights)


def test_a_tap_that_fails_half_way(sandbox: Sandbox, nights: Nights) -> None:
    """What was loaded is not exported again."""
    assert nights.run() == 0
    sandbox.world.visits(20)
    before = nights.cursors()
    sandbox.faults.append(Fault(status=403, when=lambda request: request.stream == "sessions"))
    assert nights.run() == 1
    cursors = nights.cursors()
    assert cursors["events"] != before["events"]
    assert cursors["users"] == before["users"]
    sandbox.requests.clear()
    assert nights.run() == 0
    assert nights.first_cursors() == cursors
    check(nights)


def test_configurations_and_a_catalog(sandbox: Sandbox, nights: Nights) -> None:
    """Any number of `--config`, as two words or one, and a catalog, before the target."""
    folder = nights.folder
    write(folder / "maps.json", {"stream_maps": {"users": {"phone": "__NULL__"}}})
    write(folder / "small.json", {"page_size": 7})
    write(folder / "catalog.json", selected_catalog(folder, "events", "users"))
    options = ("--config", "config.json", "--config=maps.json", "--config", "small.json")
    assert nights.run(*options, "--catalog", "catalog.json", *nights.target) == 0
    assert {request.param("pageSize") for request in sandbox.requests} == {"7"}
    assert not (folder / "sessions.jsonl").exists()
    users = (folder / "users.jsonl").read_text().splitlines()
    assert users
    assert not any("phone" in json.loads(user) for user in users)


@pytest.mark.parametrize("arguments", [[], ["--config"], ["--cofnig=a", "target"], ["--config=a"]])
def test_what_cannot_be_meant(sandbox: Sandbox, nights: Nights, arguments: list[str]) -> None:
    """An empty state was something once: everything would be exported again."""
    (nights.folder / "state.json").touch()
    night = nights.start(*arguments)
    _, said = night.communicate(timeout=60)
    assert night.returncode != 0
    assert (b"nightly.sh" if arguments else b"state.json is empty; `{}` is a valid state") in said
    assert sandbox.requests == []


# DuckDB without a target: `bin/nightly.sh bin/load-duckdb.sh`


def rows(nightly: Nights) -> dict[str, list[Record]]:
    """Return the rows of each table, with JSON read."""
    queries = [f"select * from croct.{stream}" for stream in STREAMS]
    found = duck.query(nightly.folder / "warehouse.duckdb", *queries)
    return {
        stream: [
            {n: json.loads(v) if v and n in NESTED else v for n, v in row.items()} for row in table
        ]
        for stream, table in zip(STREAMS, found, strict=True)
    }


NESTED = {"additionalProperties"} | {
    name
    for schema in SCHEMAS.values()
    for name, prop in schema["properties"].items()
    if {"object", "array"} & set(prop["type"])
}


def check_rows(nightly: Nights) -> None:
    """Compare every value of every table with the source."""
    for stream, found in rows(nightly).items():
        assert not any(row.pop("additionalProperties") for row in found)
        wanted = expected_records(nightly.sandbox.world, stream)
        assert row_differences(stream, found, wanted) == []


@pytest.fixture
def nightly(tmp_path: Path, sandbox: Sandbox) -> Nights:
    return Nights(tmp_path, sandbox, (str(ROOT / "bin" / "load-duckdb.sh"),), environment("duckdb"))


def change(sandbox: Sandbox) -> None:
    sandbox.world.visits(15)
    sandbox.world.late_events(6)
    sandbox.world.change_users(4)


def test_the_state_of_another_pipeline(nightly: Nights) -> None:
    """It would leave the warehouse empty: the script fails, and both stay as they were."""
    state = {"bookmarks": {"events": {"cursor": "x"}}}
    (nightly.folder / "state.json").write_text(json.dumps(state))
    assert nightly.run() == 1
    assert nightly.state == state
    assert not (nightly.folder / "warehouse.duckdb").exists()


def test_three_nights(nightly: Nights, sandbox: Sandbox) -> None:
    """Each night brings what is new, from the cursor on, and updates what changed."""
    assert nightly.run() == 0
    check_rows(nightly)
    for _ in range(2):
        change(sandbox)
        cursors = nightly.cursors()
        sandbox.requests.clear()
        assert nightly.run() == 0
        assert nightly.first_cursors() == cursors
        check_rows(nightly)


def test_a_view_for_a_type_of_event(nightly: Nights, sandbox: Sandbox) -> None:
    """The view of `docs/event-tables.md` has a row for each order."""
    assert nightly.run() == 0
    (step,) = [step for step in steps("docs/event-tables.md") if step.note == "views.sql"]
    query = "select id, orderId, total, items from croct.orders"
    _, rows = duck.query(nightly.folder / "warehouse.duckdb", step.text, query)
    found = {row.pop("id"): {**row, "items": json.loads(row["items"])} for row in rows}
    assert found == {
        event["id"]: {name: order[name] for name in ("orderId", "total", "items")}
        for event in sandbox.world.items("events")
        if (order := event["payload"].get("order"))
    }


def test_the_latest_record_of_a_key_wins(nightly: Nights, tmp_path: Path) -> None:
    """By its place in the file, not by its time."""
    record = {"userId": "1", "lastModifiedTime": moment(2_000_000_000_000), "jobTitle": "first"}
    records = [record, {**record, "jobTitle": "second", "lastModifiedTime": moment(0)}]
    lines = [{"type": "RECORD", "stream": "users", "record": r} for r in records]
    states = [{"type": "STATE", "value": {"bookmarks": {"users": {"n": n}}}} for n in range(2)]
    write(tmp_path / "messages", "".join(json.dumps(m) + "\n" for m in (*lines, *states)))
    nightly.fake("tap-croct", f"cat '{tmp_path / 'messages'}'")
    for _ in range(2):
        assert nightly.run() == 0
        assert [user["jobTitle"] for user in rows(nightly)["users"]] == ["second"]
        assert nightly.state == states[1]["value"]


def test_values_that_are_hard_to_store(nightly: Nights, sandbox: Sandbox) -> None:
    """Integers beyond 64 bits, NUL, texts of all kinds."""
    values = {
        "big": 2**200,
        "negative": -(2**70),
        "nul": "a\0b",
        "text": 'ü\n\t"\\ 東京 🏕️',
        "empty": "",
    }
    user = {
        **sandbox.world.items("users")[0],
        "customAttributes": values,
        "company": "a\0b",
        "jobTitle": "",
    }
    sandbox.world.logs["users"].extend([user])
    assert nightly.run() == 0
    check_rows(nightly)


TAP = Path(sys.executable).parent / "tap-croct"
SCHEMA_LINE = '{"type": "SCHEMA", "stream": "%s", "schema": {"properties": {"%s": {}}}}'
LINES = {
    "a line cut short": '{"type": "RECORD", "stream": "ev',
    "a property without a column": SCHEMA_LINE % ("users", "EMAIL"),
    "a stream without a table": SCHEMA_LINE % ("people", "userId"),
    "another key": '{"type": "SCHEMA", "stream": "users", "key_properties": ["email"]}',
    "no key": '{"type": "RECORD", "stream": "users", "record": {"email": "x"}}',
    "batch files": '{"type": "BATCH", "stream": "users"}',
    "a text in a time": '{"type": "RECORD", "stream": "users", "record": {"lastModifiedTime": "x"}}',
}
FAILURES = {
    **{
        name: ("tap-croct", f"'{TAP}' \"$@\"; printf '%s' '{line}'") for name, line in LINES.items()
    },
    "a state that cannot be kept": ("mv", "exit 1"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails(nightly: Nights, sandbox: Sandbox, failure: str) -> None:
    """The state stays, and tables too, unless they are loaded; the next night doubles nothing."""
    assert nightly.run() == 0
    state = nightly.state
    before = rows(nightly)
    change(sandbox)
    program, script = FAILURES[failure]
    fake = nightly.fake(program, script)
    assert nightly.run() == 1
    assert nightly.state == state
    assert (rows(nightly) == before) is (program == "tap-croct")
    fake.unlink()
    assert nightly.run() == 0
    check_rows(nightly)
