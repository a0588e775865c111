"""What the tests share: running the tap, and what its records should be."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.sandbox.world import METADATA

if TYPE_CHECKING:
    from tests.sandbox import World

STREAMS = ("events", "sessions", "users")
KEYS = {"events": "id", "sessions": "sessionId", "users": "userId"}
ORDERS = {"events": "timestamp", "sessions": "closeTime", "users": "lastModifiedTime"}
TAP = [sys.executable, "-m", "tap_croct"]

Record = dict[str, Any]


@dataclass
class Output:
    """What a run of the tap put out."""

    code: int
    stdout: str
    stderr: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.split("\n") if line]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[Record]:
        return [m["record"] for m in self.of("RECORD") if m["stream"] == stream]

    def counts(self) -> dict[str, int]:
        return {stream: len(self.records(stream)) for stream in STREAMS}

    @property
    def state(self) -> dict[str, Any]:
        states = self.of("STATE")
        return states[-1]["value"] if states else {}

    @property
    def warnings(self) -> list[str]:
        """The tap's own: the SDK warns of an old Python, too."""
        return [line for line in self.stderr.splitlines() if "| WARNING  | tap-croct" in line]

    @property
    def last_line(self) -> str:
        return self.stderr.strip().splitlines()[-1]


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment without what is said to a tap or to Meltano, and with more."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_CROCT_", "MELTANO_", "TARGET_"))
    }
    return {**kept, **more}


def write(path: Path, value: object) -> str:
    """Write JSON (or text as it is) into a file; return its name."""
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return str(path)


def run_tap(
    folder: Path,
    config: dict[str, Any] | None,
    *args: str,
    state: object = None,
    catalog: object = None,
    timeout: float = 60,
    **environment: str,
) -> Output:
    """Run the tap as a process of its own."""
    command = [*TAP]
    for name, value in (("config", config), ("state", state), ("catalog", catalog)):
        if value is not None:
            command += [f"--{name}", write(folder / f"{name}.json", value)]
    done = subprocess.run(
        [*command, *args],
        capture_output=True,
        timeout=timeout,
        cwd=folder,
        check=False,
        env=clean_environment(PYTHONPATH=str(Path.cwd()), **environment),
    )
    return Output(done.returncode, done.stdout.decode(), done.stderr.decode())


# What the records should be, written without the tap


def moment(ms: int) -> str:
    """Format a time as the records have it."""
    time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def expected(stream: str, item: Record) -> Record:
    """Return the record that an item of the API should become."""
    record = copy.deepcopy(item)
    if stream == "events":
        record["timestamp"] = moment(item["timestamp"])
        record["eventType"] = item["payload"]["@type"]
        record["metadata"] = dict(METADATA)
    elif stream == "sessions":
        record["closeTime"] = moment(item["closeTime"])
        record["window"] = {name: moment(ms) for name, ms in item["window"].items()}
    else:
        record["lastModifiedTime"] = moment(item["lastModifiedTime"])
        if item["birthDate"] is not None:
            record["birthDate"] = moment(item["birthDate"])
        for name in ("activities", "interests"):
            if isinstance(item[name], str):
                record[name] = [item[name]]
    return record


def expected_records(world: World, stream: str) -> list[Record]:
    """Return all records that an export from the beginning on should give, in order."""
    return [expected(stream, item) for item in world.items(stream)]


def by_key(stream: str, records: list[Record]) -> dict[str, Record]:
    """Return the last record of each key, as a warehouse that upserts keeps it."""
    return {record[KEYS[stream]]: record for record in records}


def count_by_key(stream: str, records: list[Record]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for record in records:
        counts[record[KEYS[stream]]] += 1
    return dict(counts)


def catalog_of(folder: Path) -> dict[str, Any]:
    """Return what `--discover` prints."""
    catalog: dict[str, Any] = json.loads(run_tap(folder, None, "--discover").stdout)
    return catalog


def select(catalog: dict[str, Any], stream: str, *path: str, selected: bool) -> None:
    """Select or deselect a stream, or a property by its path."""
    breadcrumb = [part for name in path for part in ("properties", name)]
    for entry in catalog["streams"]:
        if entry["tap_stream_id"] == stream:
            for metadata in entry["metadata"]:
                if metadata["breadcrumb"] == breadcrumb:
                    metadata["metadata"]["selected"] = selected
                    return
    raise KeyError((stream, path))
