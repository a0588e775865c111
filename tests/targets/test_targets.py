"""Real targets of different lineages, counted row for row and compared value for value."""

from __future__ import annotations

import csv
import hashlib
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from dev.expected import KEYS, STREAMS, by_key, expected_records, flatten
from dev.warehouse import SCHEMAS, differences
from tests.support.catalogs import catalog_of, select
from tests.support.loaded import utc
from tests.support.pipes import Pipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.postgres import Postgres
    from dev.sandbox import Sandbox

    Start = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

MAPS = {"users": {"email": "sha256(email) if email else None", "phone": "__NULL__"}}
FLAT = {"flattening_enabled": True, "flattening_max_depth": 3}


def change(sandbox: Sandbox) -> None:
    """New data, late data, a session that closes later and users who change."""
    sandbox.world.visits(15)
    sandbox.world.late_events(6)
    sandbox.world.change_users(4)


def picked(folder: Path) -> dict[str, Any]:
    """Return a catalog without `users` and `payload.cart`."""
    catalog = catalog_of(folder)
    select(catalog, "users", selected=False)
    select(catalog, "events", "payload", "cart", selected=False)
    return catalog


def without_cart(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for record in records:
        record["payload"].pop("cart", None)
    return records


def mapped(users: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for user in users:
        if user["email"]:
            user["email"] = hashlib.sha256(user["email"].encode()).hexdigest()
        del user["phone"]
    return users


class TestJsonl:
    """target-jsonl, of the singer-python lineage: it validates every record."""

    def pipe(self, folder: Path) -> Pipe:
        return Pipe(
            folder, "target-jsonl", {"destination_path": str(folder), "do_timestamp_file": False}
        )

    def loaded(self, folder: Path, stream: str) -> list[dict[str, Any]]:
        with (folder / f"{stream}.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def test_twice(self, sandbox: Sandbox, tmp_path: Path) -> None:
        pipe = self.pipe(tmp_path)
        pipe.run(sandbox.config(page_size=100))
        for stream in STREAMS:
            assert self.loaded(tmp_path, stream) == expected_records(sandbox.world, stream)
        change(sandbox)
        new = pipe.run(sandbox.config(page_size=100)).counts()
        for stream in STREAMS:
            loaded = self.loaded(tmp_path, stream)
            wanted = expected_records(sandbox.world, stream)
            assert by_key(stream, loaded) == by_key(stream, wanted)
            assert 0 < new[stream] < len(wanted)
        assert len(self.loaded(tmp_path, "events")) == len(sandbox.world.items("events"))

    def test_selection_and_stream_maps(self, sandbox: Sandbox, tmp_path: Path) -> None:
        self.pipe(tmp_path).run(sandbox.config(), catalog=picked(tmp_path))
        assert not (tmp_path / "users.jsonl").exists()
        wanted = without_cart(expected_records(sandbox.world, "events"))
        assert self.loaded(tmp_path, "events") == wanted
        (tmp_path / "events.jsonl").unlink()
        self.pipe(tmp_path).run(sandbox.config(stream_maps=MAPS))
        assert self.loaded(tmp_path, "users") == mapped(expected_records(sandbox.world, "users"))


class TestDuckDB:
    """target-duckdb, of the PipelineWise lineage."""

    def pipe(self, folder: Path, **settings: Any) -> Pipe:
        file = folder / "warehouse.duckdb"
        config = {"filepath": str(file), "default_target_schema": "croct", **settings}
        return Pipe(folder, "target-duckdb", config)

    def test_twice(self, sandbox: Sandbox, tmp_path: Path) -> None:
        pipe = self.pipe(tmp_path, batch_size_rows=100)  # several batches: none loses its first
        for _ in range(2):
            pipe.run(sandbox.config(page_size=100))
            with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
                for stream in STREAMS:
                    wanted = expected_records(sandbox.world, stream)
                    assert differences(connection, stream, wanted) == []
            change(sandbox)

    def test_selection_and_stream_maps(self, sandbox: Sandbox, tmp_path: Path) -> None:
        self.pipe(tmp_path).run(sandbox.config(), catalog=picked(tmp_path))
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
            wanted = without_cart(expected_records(sandbox.world, "events"))
            assert differences(connection, "events", wanted) == []
            tables = connection.execute("select table_name from information_schema.tables")
            assert ("users",) not in tables.fetchall()
        self.pipe(tmp_path).run(sandbox.config(stream_maps=MAPS))
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
            wanted = mapped(expected_records(sandbox.world, "users"))
            assert differences(connection, "users", wanted) == []

    def test_flattened(self, sandbox: Sandbox, tmp_path: Path) -> None:
        output = self.pipe(tmp_path).run(sandbox.config(**FLAT))
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
            types = connection.execute(
                'select "payload__@type", count(*) from croct.events group by 1'
            ).fetchall()
            rows = connection.execute("select sessionid, attributes from croct.sessions").fetchall()
        events = sandbox.world.items("events")
        assert sum(count for _, count in types) == len(events)
        assert {kind for kind, _ in types} == {event["payload"]["@type"] for event in events}
        attributes = {s["sessionId"]: s["attributes"] for s in sandbox.world.items("sessions")}
        assert {key: json.loads(value) for key, value in rows} == attributes
        assert output.counts()["events"] == len(events)


@pytest.mark.xdist_group("postgres")
class TestPostgres:
    """meltanolabs-target-postgres, of the Meltano SDK lineage, into a real server."""

    def pipe(self, folder: Path, database: Postgres, schema: str) -> Pipe:
        config = {**database.target_config, "default_target_schema": schema}
        return Pipe(folder, "target-postgres", config)

    def compare(self, database: Postgres, schema: str, stream: str, wanted: list[Any]) -> None:
        rows = database.query(f"select * from {schema}.{stream}")
        assert len(rows) == len(wanted)
        by_id = {row[KEYS[stream]]: row for row in rows}
        for record in wanted:
            row = by_id[record[KEYS[stream]]]
            for name, value in record.items():
                stored = row[name]
                if format_of(stream, name) == "date-time" and stored is not None:
                    stored = utc(stored)
                assert stored == value, (stream, record[KEYS[stream]], name)

    def test_twice_with_upserts(self, sandbox: Sandbox, tmp_path: Path, database: Postgres) -> None:
        pipe = self.pipe(tmp_path, database, "twice")
        pipe.run(sandbox.config(page_size=100))
        for stream in STREAMS:
            self.compare(database, "twice", stream, expected_records(sandbox.world, stream))
        before = {s["sessionId"]: s["closeTime"] for s in sandbox.world.items("sessions")}
        change(sandbox)
        moved = [s for s in sandbox.world.items("sessions")
                 if before.get(s["sessionId"], s["closeTime"]) != s["closeTime"]]  # fmt: skip
        assert moved
        output = pipe.run(sandbox.config(page_size=100))
        assert {s["sessionId"] for s in moved} <= {
            s["sessionId"] for s in output.records("sessions")
        }
        for stream in STREAMS:
            self.compare(database, "twice", stream, expected_records(sandbox.world, stream))

    def test_selection_and_stream_maps(
        self, sandbox: Sandbox, tmp_path: Path, database: Postgres
    ) -> None:
        self.pipe(tmp_path, database, "picked").run(sandbox.config(), catalog=picked(tmp_path))
        wanted = without_cart(expected_records(sandbox.world, "events"))
        self.compare(database, "picked", "events", wanted)
        self.pipe(tmp_path, database, "mapped").run(sandbox.config(stream_maps=MAPS))
        users = mapped(expected_records(sandbox.world, "users"))
        self.compare(database, "mapped", "users", users)
        columns = database.query(
            "select column_name from information_schema.columns "
            "where table_schema = 'mapped' and table_name = 'users'"
        )
        assert {"column_name": "phone"} not in columns

    def test_flattened(self, sandbox: Sandbox, tmp_path: Path, database: Postgres) -> None:
        """The `@` of `payload__@type` stays: the column has to be quoted."""
        self.pipe(tmp_path, database, "flat").run(sandbox.config(**FLAT))
        rows = {row["id"]: row for row in database.query("select * from flat.events")}
        events = expected_records(sandbox.world, "events")
        assert len(rows) == len(events)
        for event in events:
            row = rows[event["id"]]
            assert row["payload__@type"] == event["payload"]["@type"]
            product = event["payload"].get("product", {})
            assert row["payload__product__displayPrice"] == product.get("displayPrice")


def format_of(stream: str, name: str) -> str | None:
    schema: dict[str, Any] = SCHEMAS[stream]["properties"].get(name, {})
    return schema.get("format")


class TestCsv:
    """target-csv, which knows neither types nor nesting: flattened to depth 3."""

    def test_every_cell(self, sandbox: Sandbox, tmp_path: Path) -> None:
        config = {"output_path": str(tmp_path), "file_naming_scheme": "{stream_name}.csv"}
        output = Pipe(tmp_path, "target-csv", config).run(sandbox.config(**FLAT))
        for stream in STREAMS:
            schema = next(m for m in output.of("SCHEMA") if m["stream"] == stream)["schema"]
            with (tmp_path / f"{stream}.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            wanted = expected_records(sandbox.world, stream)
            assert len(rows) == len(wanted)
            for row, record in zip(rows, wanted, strict=True):
                for name, value in flatten(record, schema["properties"]).items():
                    cell = row[name]
                    if schema["properties"][name].get("format") and cell:
                        cell = utc(cell)
                    assert cell == ("" if value is None else str(value)), (stream, name)
