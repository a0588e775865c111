"""Messages are written as whole lines."""

from __future__ import annotations

import json
import signal
from datetime import datetime, timezone

import pytest

from tap_croct.messages import MessageWriter

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_a_line_that_is_interrupted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe takes what it can: the rest of the line follows, and nothing behind it.

    In the process, because no signal can be timed to strike between two parts of a line.
    """
    writer = MessageWriter()
    out = bytearray()

    class Pipe:
        def write(self, data: memoryview) -> int:
            out.extend(data[:30])
            writer.terminate(signal.SIGTERM)
            return len(data[:30])

    monkeypatch.setattr("tap_croct.messages._unbuffered_stdout", Pipe)
    with pytest.raises(SystemExit, match="143"):
        writer.write_records("events", [{"id": "x" * 100}, {"id": "y"}], NOW)
    assert out.endswith(b"\n")
    assert [json.loads(line)["record"] for line in out.splitlines()] == [{"id": "x" * 100}]
