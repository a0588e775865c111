"""The shapes in which targets leave the data, and data that nobody expects."""

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dev.environments import ROOT
from dev.expected import KEYS as STREAM_KEYS
from dev.expected import STREAMS, Record
from dev.running import run_tap
from dev.sandbox import Sandbox
from tests.analytics.models import Expected, differences
from tests.analytics.warehouses import Warehouse

pytestmark = pytest.mark.slow

# What dbt has read of the package for one test saves the next one half of the time.
DUCKDB = pytest.mark.xdist_group("shapes in DuckDB")
POSTGRESQL = pytest.mark.xdist_group("shapes in PostgreSQL")
BOTH = [pytest.param("duck", marks=DUCKDB), pytest.param("postgresql", marks=POSTGRESQL)]


def check(place: Warehouse, expected: Expected) -> str:
    """Build the models of what is loaded, and compare each; return what dbt prints."""
    said = place.dbt("run")
    for model, wanted in expected.tables().items():
        assert differences(model, place.rows(model), wanted) == []
    return said


@POSTGRESQL
def test_a_target_that_only_appends(sandbox: Sandbox, postgresql: Warehouse) -> None:
    """It leaves several versions of a record, and some twice."""
    config = sandbox.config(stream_maps={name: {"__key_properties__": []} for name in STREAMS})
    pipe = postgresql.pipe()
    pipe.run(config)
    sandbox.world.late_orders(4)
    sandbox.world.change_users(3)
    pipe.state = None
    pipe.run(config)
    for stream in STREAMS:
        rows = postgresql.rows(stream, "croct")
        assert len({row[STREAM_KEYS[stream]] for row in rows}) < len(rows)
    check(postgresql, Expected.of(sandbox.world))


@POSTGRESQL
def test_lower_case(sandbox: Sandbox, postgresql: Warehouse) -> None:
    """pipelinewise-target-postgres writes all names in lower case."""
    postgresql.pipe(target="pipelinewise-target-postgres").run(sandbox.config())
    check(postgresql, Expected.of(sandbox.world))


@DUCKDB
def test_without_users(sandbox: Sandbox, duck: Warehouse) -> None:
    duck.pipe().run(sandbox.config(stream_maps={"users": "__NULL__"}))
    said = check(duck, Expected.of(sandbox.world, users=[]))
    assert "the models that need users are empty" in said


# dbt holds a schema for known from the first of its tables on that it has put into its cache.
SLOW_CACHE = """
import time
from dbt.adapters.base.impl import BaseAdapter
from dbt.adapters.cache import RelationsCache

add, get = RelationsCache.add, BaseAdapter.get_relation

def add_slowly(self, relation):
    add(self, relation)
    time.sleep(0.5)

def get_in_turn(self, database, schema, identifier):
    time.sleep({"sessions": 0.2, "users": 0.4}.get(identifier, 0))
    return get(self, database, schema, identifier)

RelationsCache.add, BaseAdapter.get_relation = add_slowly, get_in_turn
"""


@DUCKDB
def test_a_table_that_dbt_has_not_heard_of_yet(
    sandbox: Sandbox, duck: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one of dbt's threads lists the tables, another one builds the view of the last."""
    duck.pipe().run(sandbox.config())
    (tmp_path / "sitecustomize.py").write_text(SLOW_CACHE)
    variables = {**duck.variables(), "PYTHONPATH": str(tmp_path)}
    monkeypatch.setattr(duck, "variables", lambda: variables)
    duck.dbt("run", "--select", "staging")
    for stream in STREAMS:
        assert len(duck.rows(f"stg_croct__{stream}")) == len(duck.rows(stream, "croct")) > 0


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_a_single_column(sandbox: Sandbox, place: Warehouse, tmp_path: Path) -> None:
    """`data` holds the whole record, as z3-target-bigquery leaves it by default."""
    output = run_tap(tmp_path, sandbox.config())
    place.execute("create schema croct")
    for stream in STREAMS:
        file = tmp_path / f"{stream}.jsonl"
        file.write_text("".join(json.dumps(r) + "\n" for r in output.records(stream)))
        if place.engine == "duckdb":
            place.execute(
                f"create table croct.{stream} as select json as data "
                f"from read_json_objects('{file}', format = 'newline_delimited')"
            )
        else:
            place.execute(f"create table croct.{stream} (data jsonb)")
            place.execute(
                f"\\copy croct.{stream} from '{file}' csv quote e'\\x01' delimiter e'\\x02'"
            )
    check(place, Expected.of(sandbox.world))


@DUCKDB
def test_the_privacy_recipe(sandbox: Sandbox, duck: Warehouse) -> None:
    maps = json.loads((ROOT / "docs" / "privacy.json").read_text())["stream_maps"]
    duck.pipe().run(sandbox.config(stream_maps=maps, stream_map_config={"salt": "pepper"}))
    check(duck, private(Expected.of(sandbox.world)))


def private(expected: Expected) -> Expected:
    """Do by hand what the recipe says."""

    def cut(url: str | None) -> str | None:
        return url and url.split("?")[0].split("#")[0]

    def hashed(text: str | None) -> str | None:
        return text and hashlib.sha256(f"pepper{text}".encode()).hexdigest()

    kept = {"userId", "externalUserId", "email", "address", "gender", "activities", "interests",
            "lastModifiedTime", "statistics"}  # fmt: skip
    for user in expected.users:
        user |= {name: None for name in user if name not in kept}
        user["externalUserId"] = hashed(user["externalUserId"])
        user["email"] = hashed(user["email"])
        user["address"] = {name: user["address"][name] for name in ("country", "region")}
    for session in expected.sessions:
        session["externalUserId"] = hashed(session["externalUserId"])
        session["location"] = {name: session["location"][name] for name in ("country", "region")}
        session["landingPageUrl"] = cut(session["landingPageUrl"])
        session["referrer"] = cut(session["referrer"])
        session["attributes"] = None
    for event in expected.events:
        if event["context"]:
            event["context"]["url"] = cut(event["context"]["url"])
        for name in ("externalUserId", "location", "details", "leadId", "userAgent"):
            event["payload"].pop(name, None)
        for name in ("url", "referrer"):
            if name in event["payload"]:
                event["payload"][name] = cut(event["payload"][name])
    return expected


NUMBERS = {
    "12.5": Decimal("12.5"), " 12 ": Decimal(12), "-0.0000000015": Decimal("-0.000000002"),
    "1e3": Decimal(1000), ".5": Decimal("0.5"), "5.": Decimal(5), "1E-2": Decimal("0.01"),
    "999999999999999999": Decimal(999999999999999999), "1000000000000000000": None,
    "6.960309306789904e21": None, "1644832245226101514e-15": Decimal("1644.832245226"),
    "1e99": None, "1e-99": Decimal(0), "1_000": None, "1,000": None, "NaN": None, "Infinity": None,
    "": None, "twelve": None, "0x1F": None, "true": None,
}  # fmt: skip
TIMES = {
    "2026-02-28T23:59:59.123Z": "2026-02-28T23:59:59.123", "2026-02-29T00:00:00Z": None,
    "2024-02-29T00:00:00Z": "2024-02-29T00:00:00", "2026-04-31T00:00:00Z": None,
    "2026-13-01T00:00:00Z": None, "2026-01-01T25:00:00Z": None, "0000-01-01T00:00:00Z": None,
    "2026-01-01T01:00:00+02:00": "2025-12-31T23:00:00", "2026-01-01": None,
    "2026-01-01T00:00:00.5": "2026-01-01T00:00:00.5", "99999": None, "": None, "today": None,
}  # fmt: skip


@pytest.mark.parametrize("place", BOTH, indirect=True)
def test_odd_values(place: Warehouse) -> None:
    """Text columns; values that are not what they should be are null, and stop nothing.

    Of several records of a user the latest counts, by its own time and then by when it was loaded; and
    not one that the target marks as deleted.
    """
    goals = [{"@type": "goalCompleted", "goalId": text, "value": text} for text in NUMBERS]
    orders: list[Record] = [
        {"@type": "orderPlaced"},
        {"@type": "orderPlaced", "order": None},
        {"@type": "orderPlaced", "order": {"orderId": ""}},
        {"@type": "orderPlaced", "order": {"orderId": "o1", "items": {"no": "list"}, "total": "7"}},
        {"@type": "orderPlaced", "order": {"orderId": "o2", "total": [], "items": [None, 1, {}]}},
        {"@type": "orderPlaced", "order": {"orderId": "o3", "items": [{"quantity": 1e18}]}},
        {"@type": "orderPlaced", "order": {"orderId": "o4", "items": [], "total": 5e28}},
    ]
    payloads = [*goals, *orders, {"type": "goalCompleted", "goalId": "old"}, None]
    rows = [(f"p{n:03}", "2026-01-01T00:00:00Z", payload) for n, payload in enumerate(payloads)]
    rows += [(f"t{n:03}", text, goals[0]) for n, text in enumerate(TIMES)]
    values = ", ".join(f"('{key}', '{time}', '{json.dumps(p)}')" for key, time, p in rows)
    place.execute(
        "create schema croct;"
        'create table croct.events ("ID" text, "Timestamp" text, payload text);'
        f"insert into croct.events values {values};"
        "create table croct.users (userid text, lastmodifiedtime timestamp, email text, "
        "_sdc_batched_at timestamp, _sdc_deleted_at timestamp);"
        "insert into croct.users values "
        "('time', '2026-01-02', 'right', '2026-02-01', null), "
        "('time', '2026-01-01', 'earlier', '2026-02-02', null), "
        "('time', null, 'no time', '2026-02-03', null), "
        "('load', '2026-01-01', 'loaded first', '2026-02-01', null), "
        "('load', '2026-01-01', 'right', '2026-02-02', null), "
        "('load', '2026-01-01', 'not known when', null, null), "
        "('gone', '2026-01-01', 'deleted', '2026-02-01', '2026-02-02')"
    )
    said = place.dbt("run")
    assert "the models that need sessions are empty" in said
    found = {row["event_id"]: row for row in place.rows("croct__goals")}
    assert [found[key]["value"] for key, _, _ in rows[: len(goals)]] == list(NUMBERS.values())
    assert found[f"p{len(payloads) - 2:03}"]["goal_id"] == "old"
    times = [row["occurred_at"] for key, row in sorted(found.items()) if key.startswith("t")]
    assert times == list(TIMES.values())
    placed = {row["order_id"]: row for row in place.rows("croct__orders")}
    assert len(placed) == len(orders)
    assert [placed[name]["item_count"] for name in ("o1", "o2", "o3", "o4")] == [0, 3, 1, 0]
    assert [placed[name]["total"] for name in ("o1", "o2", "o4")] == [7, None, None]
    items = place.rows("croct__order_items")
    assert sorted(row["order_item_id"] for row in items) == ["o2-0", "o2-1", "o2-2", "o3-0"]
    assert all(row["quantity"] is None for row in items)
    (day,) = place.rows("croct__daily")
    assert (day["orders"], day["revenue"]) == (len(orders), 7)
    users = place.rows("stg_croct__users")
    assert sorted((row["user_id"], row["email"]) for row in users) == [
        ("load", "right"),
        ("time", "right"),
    ]


@DUCKDB
def test_what_cannot_be_built(duck: Warehouse) -> None:
    """Each message says what to do. One test has them all, since dbt is slow to start."""

    def said(model: str = "stg_croct__users", **variables: Any) -> str:
        return " ".join(duck.dbt("compile", "--select", model, code=2, **variables).split())

    duck.execute("create schema other; create table other.users (userid text)")
    assert "set the variable croct__schema to the schema that the tap" in said()
    duck.execute('create schema croct; create table croct.users (id text, "address__city" text)')
    assert "(it has the column address__city), which these models do not support" in said()
    duck.execute("drop table croct.users; create table croct.users (userid text)")
    rates = said(croct__exchange_rates={"BRL": 1})
    assert "croct__exchange_rates needs croct__reporting_currency" in rates
    rates = said(croct__reporting_currency="EUR", croct__exchange_rates={"BRL": "0,17"})
    assert "croct__exchange_rates: BRL needs a number above 0" in rates
    rates = said(croct__reporting_currency="EUR", croct__exchange_rates={"BRL": "NaN"})
    assert "croct__exchange_rates: BRL needs a number above 0" in rates
    duck.execute("create table croct.events (id text, payloadtype text, payload_order_total text)")
    assert "is flattened (it has the column payload_order_total)" in said("stg_croct__events")
    duck.execute('create table croct.sessions (sessionid text, "window.start" text)')
    assert "is flattened (it has the column window.start)" in said("stg_croct__sessions")
