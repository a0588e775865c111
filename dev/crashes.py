"""Exports that are killed again and again, and what that loses or repeats."""

import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from dev.expected import KEYS, STREAMS, Record, expected_records, flatten, moment
from dev.running import launch
from dev.sandbox import Sandbox, Switches, World
from dev.sandbox.api import ENDS, UNITS
from dev.sandbox.world import BEGINNING, DAY

PAGE = 25
BATCH = 2 * PAGE
MAPS = {
    "users": {"email": "sha256(email) if email else None", "phone": None},
    "events": {"page": "payload.get('url')"},
}
GZIP = {"format": "jsonl", "compression": "gzip"}
PATHS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mapped": {"stream_maps": MAPS},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 3},
    "batch files": {"batch_config": {"encoding": GZIP, "batch_size": BATCH}},
}
"""Ways of a record through the tap, and the settings for them."""


Case = tuple[str, str, str]
"""A kind of export: how the API ends it, what becomes of its records, and the API's time unit."""

CASES: list[Case] = list(product(ENDS, PATHS, UNITS))


class Crashes:
    """Runs an export that is killed at random moments, until it is through in the end."""

    def __init__(self, folder: Path, case: Case, seed: int) -> None:
        """Prepare an export.

        Args:
            folder: For the configuration, the state and the batch files.
            case: The kind of export.
            seed: What happens is the same for the same seed, but for the moments.
        """
        self.folder = folder
        end, self.path, unit = case
        self.random = random.Random(seed)
        self.sandbox = Sandbox(World(seed, visits=60), Switches(unit, end))
        settings = dict(PATHS[self.path])
        if "batch_config" in settings:
            storage = {"root": (folder / "files").as_uri()}
            settings["batch_config"] = {**settings["batch_config"], "storage": storage}
        self.config = self.sandbox.config(
            page_size=PAGE, start_date=moment(BEGINNING - DAY), **settings
        )
        self.records: dict[str, list[Record]] = {stream: [] for stream in STREAMS}
        self.columns: dict[str, dict[str, Any]] = {}
        self.state: dict[str, Any] = {}
        self.kills = 0
        self.repeated: list[int] = []
        """How many records of a stream were exported again after each kill."""

    def run(self, kills: int) -> None:
        """Kill that many runs, with new data now and then, and let two finish.

        Raises:
            AssertionError: If a run ends in another way than it should.
        """
        with self.sandbox:
            while self.kills < kills:
                self._run(kill=True)
                if self.kills % 8 == 0:
                    self.sandbox.world.visits(6)
            for _ in range(2):
                self._run(kill=False)

    def lost(self) -> int:
        """Count the records of the source that did not arrive, or not with every value."""
        lost = 0
        for stream in STREAMS:
            arrived = {_text(record) for record in self.records[stream]}
            wanted = expected_records(self.sandbox.world, stream)
            lost += sum(_text(self._on_its_path(stream, r)) not in arrived for r in wanted)
        return lost

    def _run(self, *, kill: bool) -> None:
        signum = self.random.choice((signal.SIGKILL, signal.SIGTERM))
        process = launch(
            self.folder, self.config, state=self.state, pipesize=4096, stderr=subprocess.DEVNULL
        )
        striker = threading.Thread(target=self._strike, args=(process, signum))
        if kill:
            striker.start()
        out = _read_slowly(process)
        code = process.wait(timeout=60)
        if kill:
            striker.join()
        if kill and code in {-signum, 128 + signum}:
            self.kills += 1
            whole = not out or out.endswith(b"\n")
            assert whole or signum == signal.SIGKILL, "SIGTERM cut a line"
        else:
            assert code == 0, f"exit code {code}"
        self._take(out)

    def _strike(self, process: subprocess.Popen[bytes], signum: int) -> None:
        """Kill a run while it starts, or soon after one of its first requests."""
        requests = len(self.sandbox.requests) + self.random.randint(0, 5)
        delay = self.random.uniform(0, 0.5 if requests == len(self.sandbox.requests) else 0.03)
        while len(self.sandbox.requests) < requests and process.poll() is None:
            time.sleep(0.001)
        time.sleep(delay)
        if process.poll() is None:
            process.send_signal(signum)

    def _take(self, out: bytes) -> None:
        """Take what arrived: records, and the last state that is a whole line."""
        before = {s: {r[KEYS[s]] for r in self.records[s]} for s in STREAMS}
        again = dict.fromkeys(STREAMS, 0)
        for line in out.split(b"\n")[:-1]:
            message = json.loads(line)
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "SCHEMA":
                self.columns[message["stream"]] = message["schema"]["properties"]
            for stream, record in records_of(message):
                self.records[stream].append(record)
                again[stream] += record[KEYS[stream]] in before[stream]
        self.repeated += again.values()

    def _on_its_path(self, stream: str, record: Record) -> Record:
        """Return what a record becomes."""
        if self.path == "flattened":
            return flatten(record, self.columns[stream])
        if self.path == "mapped" and stream == "events":
            record["page"] = record["payload"].get("url")
        elif self.path == "mapped" and stream == "users":
            del record["phone"]
            if record["email"]:
                record["email"] = hashlib.sha256(record["email"].encode()).hexdigest()
        return record


def _read_slowly(process: subprocess.Popen[bytes]) -> bytes:
    """Read from a small pipe with pauses, so that a kill strikes while something is written."""
    assert process.stdout is not None
    out = bytearray()
    with process.stdout:
        while chunk := os.read(process.stdout.fileno(), 2048):
            out += chunk
            time.sleep(0.001)
    return bytes(out)


def records_of(message: dict[str, Any]) -> Iterator[tuple[str, Record]]:
    """Return the stream and the records that a message brings, itself or in files."""
    if message["type"] == "RECORD":
        yield message["stream"], message["record"]
    elif message["type"] == "BATCH":
        for url in message["manifest"]:
            with gzip.open(url2pathname(urlparse(url).path), "rt", encoding="utf-8") as lines:
                for line in lines:
                    yield message["stream"], json.loads(line)


def _text(record: Record) -> str:
    """Return a text that is the same for the same values; null is treated as missing."""
    values = {name: value for name, value in record.items() if value is not None}
    return json.dumps(values, sort_keys=True)
