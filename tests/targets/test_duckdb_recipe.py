"""DuckDB without a target: `bin/nightly.sh bin/load-duckdb.sh`, night after night."""

import json
import sys
from pathlib import Path

import pytest

from dev.environments import ROOT, environment
from dev.expected import STREAMS, Record, expected_records, moment
from dev.running import write
from dev.sandbox import Sandbox
from dev.warehouse import SCHEMAS, row_differences
from tests.support import duck
from tests.support.documents import steps
from tests.targets.nights import Nights

pytestmark = pytest.mark.slow


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


def check(nightly: Nights) -> None:
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
    check(nightly)
    for _ in range(2):
        change(sandbox)
        cursors = nightly.cursors()
        sandbox.requests.clear()
        assert nightly.run() == 0
        assert nightly.first_cursors() == cursors
        check(nightly)


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
    check(nightly)


TAP = Path(sys.executable).parent / "tap-croct"
AFTER_IT = f"'{TAP}' \"$@\"; printf '%s' "


FAILURES = [
    ("tap-croct", AFTER_IT + """'{"type": "RECORD", "stream": "ev'"""),
    (
        "tap-croct",
        AFTER_IT
        + """'{"type": "RECORD", "stream": "users", "record": {"lastModifiedTime": "soon"}}'""",
    ),
    ("mv", "exit 1"),
]


@pytest.mark.parametrize(
    ("program", "script"),
    FAILURES,
    ids=["a line cut short", "a text in a time", "a state that cannot be kept"],
)
def test_what_fails(nightly: Nights, sandbox: Sandbox, program: str, script: str) -> None:
    """The state stays, and tables too, unless they are loaded; the next night doubles nothing."""
    assert nightly.run() == 0
    state = nightly.state
    before = rows(nightly)
    change(sandbox)
    fake = nightly.fake(program, script)
    assert nightly.run() == 1
    assert nightly.state == state
    assert (rows(nightly) == before) is (program == "tap-croct")
    fake.unlink()
    assert nightly.run() == 0
    check(nightly)
