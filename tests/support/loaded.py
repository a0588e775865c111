"""Targets, and what they loaded, as records that can be compared with the source."""

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb

from dev.expected import KEYS, STREAMS, Record
from dev.postgres import Postgres
from dev.warehouse import SCHEMAS
from tests.support.pipes import Pipe
from tests.support.s3 import S3Server

Tables = dict[str, dict[str, Record]]


def utc(value: str) -> str:
    """Format a time that is stored without its zone, or with its zone in words, as records do."""
    time = datetime.fromisoformat(value).replace(tzinfo=None)
    return time.isoformat(timespec="milliseconds") + "Z"


class Target(Pipe):
    """A target whose tables can be read."""

    appends = False
    """Whether a record that changed is there twice, and the last one counts."""

    empty: str | None = ""
    """What it stores for an empty text."""

    def records(self, stream: str) -> list[Record]:
        """Return what is there of a stream."""
        raise NotImplementedError

    def table(self, stream: str) -> dict[str, Record]:
        """Return the records of a stream by their key, each with every declared column.

        Raises:
            AssertionError: If a key is there twice, and should not be.
        """
        columns = dict.fromkeys(SCHEMAS[stream]["properties"])
        records = self.records(stream)
        found = {record[KEYS[stream]]: {**columns, **record} for record in records}
        assert self.appends or len(found) == len(records), stream
        return found

    def tables(self) -> Tables:
        """Return all tables, see `table`."""
        return {stream: self.table(stream) for stream in STREAMS}


class Jsonl(Target):
    """target-jsonl."""

    appends = True

    def __init__(self, folder: Path) -> None:
        """Write into a folder."""
        settings = {"destination_path": str(folder), "do_timestamp_file": False}
        super().__init__(folder, "target-jsonl", settings)

    def records(self, stream: str) -> list[Record]:
        text = (self.folder / f"{stream}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]


class S3Jsonl(Target):
    """target-s3-jsonl: a new object for each run."""

    appends = True

    def __init__(self, folder: Path, server: S3Server, bucket: str) -> None:
        """Write into a bucket, which is made."""
        self.server = server
        self.bucket = bucket
        server.make(bucket)
        settings = {
            "s3_bucket": bucket,
            "aws_endpoint_url": server.url,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "path_template": "{stream}-{date_time:%Y%m%dT%H%M%S}.json",
            "compression": "gzip",
            "work_dir": str(folder / "work"),
        }
        super().__init__(folder, "target-s3-jsonl", settings)

    def objects(self) -> dict[str, list[Record]]:
        """Return the records of each object, by its key."""
        return {
            key: [json.loads(line) for line in gzip.decompress(body).decode().split("\n") if line]
            for key, body in self.server.objects(self.bucket).items()
        }

    def records(self, stream: str) -> list[Record]:
        objects = self.objects()
        return [r for key in sorted(objects) if key.startswith(stream) for r in objects[key]]


class DuckDB(Target):
    """target-duckdb: upserts."""

    empty = None

    def __init__(self, folder: Path, environment: str = "target-duckdb", **settings: Any) -> None:
        """Write into a database file in a folder."""
        self.file = str(folder / "warehouse.duckdb")
        config = {"filepath": self.file, "default_target_schema": "croct", **settings}
        super().__init__(folder, environment, config, program="target-duckdb")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds."""
        with duckdb.connect(self.file, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def records(self, stream: str) -> list[Record]:
        names = {name.lower(): name for name in SCHEMAS[stream]["properties"]}
        with duckdb.connect(self.file, read_only=True) as connection:
            found = connection.execute(f"select * from croct.{stream}")
            columns = [(names.get(c[0], c[0]), str(c[1])) for c in found.description or ()]
            rows = found.fetchall()
        return [
            {
                name: self._value(value, kind)
                for (name, kind), value in zip(columns, row, strict=True)
            }
            for row in rows
        ]

    def _value(self, value: Any, kind: str) -> Any:
        if isinstance(value, datetime):
            return value.isoformat(timespec="milliseconds") + "Z"
        return json.loads(value) if kind == "JSON" and value is not None else value


class PostgresTarget(Target):
    """meltanolabs-target-postgres, or pipelinewise-target-postgres: both upsert."""

    def __init__(
        self, folder: Path, database: Postgres, schema: str, target: str = "target-postgres",
        **settings: Any,
    ) -> None:  # fmt: skip
        """Write into a schema of a database."""
        config = {**connection(database, target), "default_target_schema": schema, **settings}
        super().__init__(folder, target, config, program="target-postgres")
        self.database = database
        self.schema = schema

    def records(self, stream: str) -> list[Record]:
        properties = SCHEMAS[stream]["properties"]
        names = {name.lower(): name for name in properties}
        return [
            {
                name: utc(value) if properties.get(name, {}).get("format") and value else value
                for column, value in row.items()
                if not column.startswith("_sdc") and (name := names.get(column.lower(), column))
            }
            for row in self.database.query(f"select * from {self.schema}.{stream}")
        ]


def connection(database: Postgres, target: str) -> dict[str, Any]:
    """Return what a target needs to connect: a URL, or a folder of sockets and a user."""
    if target == "target-postgres":
        return database.target_config
    url = urlsplit(database.uri)
    return {
        "host": parse_qs(url.query)["host"][0],
        "port": url.port or 5432,
        "user": url.username or "postgres",
        "password": "none",
        "dbname": url.path.lstrip("/"),
    }
