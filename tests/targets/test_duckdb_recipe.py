"""DuckDB without a target: `bin/nightly.sh bin/load-duckdb.sh`, night after night."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.environments import environment
from dev.expected import KEYS, STREAMS, Record, expected_records, moment
from dev.running import clean_environment, write
from dev.sandbox import Fault
from dev.warehouse import SCHEMAS
from tests.support import duck
from tests.support.documents import steps

if TYPE_CHECKING:
    from dev.sandbox import Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = (ROOT / "bin" / "nightly.sh", ROOT / "bin" / "load-duckdb.sh")


class Nightly:
    """The scripts in a folder of their own."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        """Prepare the folder."""
        self.folder = folder
        self.sandbox = sandbox
        self.tools = folder / "tools"
        self.tools.mkdir()
        write(folder / "config.json", sandbox.config(page_size=100))

    def run(self) -> int:
        """Run a night; return the exit code."""
        programs = (self.tools, environment("duckdb"), Path(sys.executable).parent)
        done = subprocess.run(
            COMMAND,
            cwd=self.folder,
            env=clean_environment(PATH=duck.path_with(*programs)),
            capture_output=True,
            check=False,
        )
        return done.returncode

    def fake(self, program: str, text: str) -> Path:
        """Put a program before the real one."""
        file = self.tools / program
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    @property
    def state(self) -> Any:
        return json.loads((self.folder / "state.json").read_text())

    def tables(self) -> dict[str, dict[str, Record]]:
        """Return the rows of each table by their key, as the tap would write the records."""
        queries = [f"select * from croct.{stream}" for stream in STREAMS]
        tables = {}
        for stream, rows in zip(
            STREAMS, duck.query(self.folder / "warehouse.duckdb", *queries), strict=True
        ):
            tables[stream] = {row[KEYS[stream]]: self._record(stream, row) for row in rows}
            assert len(tables[stream]) == len(rows)
        return tables

    def _record(self, stream: str, row: Record) -> Record:
        properties = SCHEMAS[stream]["properties"]
        return {
            name: as_the_tap_writes(value, properties.get(name, {"type": ["object"]}))
            for name, value in row.items()
        }

    def check(self) -> None:
        """Compare every value of every table with the source.

        Raises:
            AssertionError: If they differ.
        """
        tables = self.tables()
        for stream in STREAMS:
            wanted = {
                record[KEYS[stream]]: dict.fromkeys(SCHEMAS[stream]["properties"])
                | {"additionalProperties": None}
                | record
                for record in expected_records(self.sandbox.world, stream)
            }
            assert tables[stream] == wanted


def as_the_tap_writes(value: Any, schema: dict[str, Any]) -> Any:
    """Return a column's value, where times and JSON come as text, as the tap would write it."""
    if value is None:
        return None
    if schema.get("format") == "date-time":
        time = value.replace(" ", "T")
        return time[:23] + "Z" if "." in time else time + ".000Z"
    return json.loads(value) if {"object", "array"} & set(schema["type"]) else value


@pytest.fixture
def nightly(tmp_path: Path, sandbox: Sandbox) -> Nightly:
    return Nightly(tmp_path, sandbox)


def change(sandbox: Sandbox) -> None:
    sandbox.world.visits(15)
    sandbox.world.late_events(6)
    sandbox.world.change_users(4)


def test_the_state_of_another_pipeline(nightly: Nightly) -> None:
    """It would leave the warehouse empty: the script fails, and both stay as they were."""
    state = {"bookmarks": {"events": {"cursor": "x"}}}
    (nightly.folder / "state.json").write_text(json.dumps(state))
    assert nightly.run() == 1
    assert nightly.state == state
    assert not (nightly.folder / "warehouse.duckdb").exists()


def test_three_nights(nightly: Nightly, sandbox: Sandbox) -> None:
    """Each night brings what is new, from the cursor on, and updates what changed."""
    assert nightly.run() == 0
    nightly.check()
    for _ in range(2):
        change(sandbox)
        cursors = {s: b["cursor"] for s, b in nightly.state["bookmarks"].items()}
        sandbox.requests.clear()
        assert nightly.run() == 0
        assert {s: sandbox.pages(s)[0].param("cursor") for s in STREAMS} == cursors
        nightly.check()


def test_a_view_for_a_type_of_event(nightly: Nightly, sandbox: Sandbox) -> None:
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


def test_the_latest_record_of_a_key_wins(nightly: Nightly, tmp_path: Path) -> None:
    """By its place in the file, not by its time."""
    record = {"userId": "1", "lastModifiedTime": moment(2_000_000_000_000), "jobTitle": "first"}
    records = [record, {**record, "jobTitle": "second", "lastModifiedTime": moment(0)}]
    lines = [{"type": "RECORD", "stream": "users", "record": r} for r in records]
    states = [{"type": "STATE", "value": {"bookmarks": {"users": {"n": n}}}} for n in range(2)]
    write(tmp_path / "messages", "".join(json.dumps(m) + "\n" for m in (*lines, *states)))
    nightly.fake("tap-croct", f"cat '{tmp_path / 'messages'}'")
    for _ in range(2):
        assert nightly.run() == 0
        assert nightly.tables()["users"]["1"]["jobTitle"] == "second"
        assert nightly.state == states[1]["value"]


def test_values_that_are_hard_to_store(nightly: Nightly, sandbox: Sandbox) -> None:
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
    nightly.check()


def test_a_tap_that_fails_at_once(nightly: Nightly, sandbox: Sandbox) -> None:
    """Nothing is lost, and the next night carries on."""
    assert nightly.run() == 0
    state = nightly.state
    change(sandbox)
    sandbox.faults.append(Fault(status=403))
    assert nightly.run() == 1
    assert nightly.state == state
    assert nightly.run() == 0
    nightly.check()


def test_a_tap_that_fails_half_way(nightly: Nightly, sandbox: Sandbox) -> None:
    """What it exported is in the tables, and the next night starts behind it."""
    later = Fault(status=403, when=lambda request: len(sandbox.pages("events")) == 4)
    sandbox.faults.append(later)
    assert nightly.run() == 1
    first = set(nightly.tables()["events"])
    assert 0 < len(first) < len(sandbox.world.items("events"))
    assert nightly.state["bookmarks"]["events"]["cursor"]
    sandbox.requests.clear()
    assert nightly.run() == 0
    assert sandbox.pages("events")[0].param("cursor") is not None
    nightly.check()


@pytest.mark.parametrize(
    "line",
    [
        '{"type": "RECORD", "stream": "ev',
        '{"type": "RECORD", "stream": "users", "record": {"lastModifiedTime": "soon"}}',
    ],
    ids=["a line cut short", "a text in a time"],
)
def test_a_load_that_fails(nightly: Nightly, sandbox: Sandbox, line: str) -> None:
    """Tables and state stay as they were; the next night brings everything."""
    assert nightly.run() == 0
    state = nightly.state
    before = nightly.tables()
    change(sandbox)
    tap = Path(sys.executable).parent / "tap-croct"
    fake = nightly.fake("tap-croct", f"'{tap}' \"$@\"; printf '%s' '{line}'")
    assert nightly.run() == 1
    assert nightly.state == state
    assert nightly.tables() == before
    fake.unlink()
    assert nightly.run() == 0
    nightly.check()


def test_a_state_that_can_not_be_kept(nightly: Nightly, sandbox: Sandbox) -> None:
    """The tables are ahead of the state: the next night reads the same again, and doubles nothing."""
    assert nightly.run() == 0
    state = nightly.state
    change(sandbox)
    fake = nightly.fake("mv", "exit 1")
    assert nightly.run() == 1
    assert nightly.state == state
    fake.unlink()
    assert nightly.run() == 0
    nightly.check()
