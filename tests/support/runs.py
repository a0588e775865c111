"""Runs against a sandbox, one or many after each other, and what has to come of them."""

import io
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from dev.crashes import GZIP, records_of
from dev.expected import KEYS, ORDERS, STREAMS, Record, by_key, expected_records
from dev.running import Output
from dev.sandbox import Fault, Sandbox
from tests.support.fixtures import Json, Tap

_NEVER = threading.Event()

ANEW = "since the bookmark was made: exporting"
"""What the log says of a stream that starts from scratch."""


def assert_all(output: Output, sandbox: Sandbox, *streams: str) -> None:
    """See that a run ended well, with every record, once and in order.

    Args:
        output: What the run put out.
        sandbox: What it exported.
        streams: Of which streams; all of them by default.
    """
    assert output.code == 0, output.stderr
    for stream in streams or STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)


def ids(records: list[Record]) -> set[str]:
    """Return the ids of events."""
    return {record["id"] for record in records}


def says(lines: list[str]) -> list[str]:
    """Return lines of the log without what stands before each message."""
    return [line.split(" | ", 3)[-1].strip() for line in lines]


def serve(sandbox: Sandbox, *pages: bytes | Json, stream: str = "events") -> None:
    """Answer the next requests for a stream with these bodies, instead of the sandbox's pages."""
    sandbox.faults = [
        Fault(
            status=200,
            body=page if isinstance(page, bytes) else json.dumps(page).encode(),
            when=lambda request: request.stream == stream,
        )
        for page in pages
    ]


def fail_from(sandbox: Sandbox, page: int, status: int = 403) -> None:
    """Let every stream fail for good from a page on."""
    sandbox.faults = [
        Fault(status=status, times=-1, when=lambda r: len(sandbox.pages(r.stream)) >= page)
    ]


def batches(folder: Path, **settings: Any) -> dict[str, Any]:
    """Return settings for batch files in a folder, with other settings of `batch_config`."""
    storage = {"root": folder.as_uri(), "prefix": "croct-"}
    return {"batch_config": {"encoding": GZIP, "storage": storage, **settings}}


def in_files(output: Output, stream: str) -> list[dict[str, Any]]:
    """Return the records of a stream in batch files."""
    return [
        record
        for message in output.of("BATCH")
        for name, record in records_of(message)
        if name == stream
    ]


def lines_of(process: subprocess.Popen[bytes], *, pause: float, every: int = 1) -> Iterator[bytes]:
    """Yield the lines that a process writes, as they come, until it ends well.

    Args:
        process: A process with pipes for its output.
        pause: Seconds to wait now and then, in which the pipe fills up.
        every: How many records to read before each pause.

    Raises:
        AssertionError: If its exit code is not 0.
    """
    records = 0
    with io.BufferedReader(cast("io.RawIOBase", process.stdout), 8192) as reader:
        for line in reader:
            yield line
            if line.startswith(b'{"type":"RECORD"'):
                records += 1
                if records % every == 0:
                    _NEVER.wait(pause)
    assert process.wait(timeout=30) == 0


class Pipeline:
    """Runs the tap again and again, each time with the last state, and keeps what arrives."""

    def __init__(self, tap: Tap, sandbox: Sandbox) -> None:
        """Start with nothing."""
        self.sandbox = sandbox
        self.state: Json = {}
        self.records: dict[str, list[Record]] = {stream: [] for stream in STREAMS}
        self._tap = tap

    def run(self, *, code: int = 0, **settings: Any) -> Output:
        """Run the tap; the sandbox forgets the requests of the run before.

        Args:
            code: The exit code it has to end with.
            settings: Settings besides those that lead to the sandbox.
        """
        self.sandbox.requests.clear()
        output = self._tap(self.sandbox.config(**settings), state=self.state, code=code)
        self.state = output.state or self.state
        for stream in STREAMS:
            self.records[stream] += output.records(stream)
        return output

    def bookmark(self, stream: str = "events") -> Json:
        """Return the bookmark of a stream."""
        found: Json = self.state["bookmarks"][stream]
        return found

    def assert_complete(
        self,
        start_date: str = "",
        end_date: str = "~",
        event_types: list[str] | None = None,
        **_: Any,
    ) -> None:
        """See that each record of a scope has arrived, as it is now.

        Args:
            start_date: Records since then; this and the others as in the settings.
            end_date: Records before then.
            event_types: Events of these types.
        """
        for stream in STREAMS:
            arrived = by_key(stream, self.records[stream])
            missing = [
                record
                for record in expected_records(self.sandbox.world, stream)
                if start_date <= record[ORDERS[stream]] < end_date
                and (stream != "events" or not event_types or record["eventType"] in event_types)
                and arrived.get(record[KEYS[stream]]) != record
            ]
            assert missing == [], stream
