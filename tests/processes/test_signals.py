"""A run that is cut ends at once, on a whole line, and the next one resumes."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from dev.crashes import PAGE, Case, Crashes
from dev.expected import count_by_key
from dev.running import launch
from dev.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., Sandbox]

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


def end(process: subprocess.Popen[bytes], signum: int) -> tuple[float, bytes, bytes]:
    """Send a signal and read on; return the seconds that it took, and the rest of the output."""
    started = time.monotonic()
    process.send_signal(signum)
    out, err = process.communicate(timeout=20)
    return time.monotonic() - started, out, err


@pytest.mark.slow
@pytest.mark.parametrize("signum", CODES)
class TestWithinTwoSeconds:
    """Whatever the tap is doing; while the reader reads. For its start, see `test_output.py`."""

    def test_writing_to_a_slow_reader(self, start: Start, tmp_path: Path, signum: int) -> None:
        sandbox = start(visits=200)
        process = launch(tmp_path, sandbox.config(page_size=1000))
        assert process.stdout is not None
        head = b"".join(process.stdout.readline() for _ in range(200))
        time.sleep(0.5)  # the pipe is full now, and a line half in it
        started = time.monotonic()
        process.send_signal(signum)
        rest = b""
        while chunk := os.read(process.stdout.fileno(), 4096):
            rest += chunk
            time.sleep(0.01)
        assert process.wait(timeout=20) == CODES[signal.Signals(signum)]
        assert time.monotonic() - started < 2
        assert (head + rest).endswith(b"\n")
        for line in (head + rest).splitlines():
            json.loads(line)
        assert b"Traceback" not in process.stderr.read()  # type: ignore[union-attr]
        process.stdout.close()
        process.stderr.close()  # type: ignore[union-attr]

    @pytest.mark.parametrize("page_size", [20, 1000])
    def test_waiting_for_an_answer(
        self, sandbox: Sandbox, tmp_path: Path, signum: int, page_size: int
    ) -> None:
        sandbox.faults = [
            Fault("hang", seconds=6, when=lambda request: len(sandbox.pages("events")) > 1)
        ]
        process = launch(tmp_path, sandbox.config(page_size=page_size))
        while len(sandbox.requests) < 2:
            time.sleep(0.01)
        time.sleep(0.2)
        seconds, out, err = end(process, signum)
        assert seconds < 2
        assert process.returncode == CODES[signal.Signals(signum)]
        assert out.endswith(b"\n")
        assert b"Traceback" not in err

    def test_pausing_before_a_retry(self, sandbox: Sandbox, tmp_path: Path, signum: int) -> None:
        sandbox.faults = [Fault(status=429, headers={"Retry-After": "300"})]
        process = launch(tmp_path, sandbox.config())
        while not sandbox.requests:
            time.sleep(0.01)
        time.sleep(0.3)
        seconds, _, err = end(process, signum)
        assert seconds < 2
        assert process.returncode == CODES[signal.Signals(signum)]
        assert b"Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 1, 50])
def test_a_reader_that_goes_away(start: Start, tmp_path: Path, lines: int) -> None:
    sandbox = start(visits=200)
    process = launch(tmp_path, sandbox.config())
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=20) == 128 + signal.SIGPIPE
    assert b"Traceback" not in err
    assert b"Exception" not in err
    process.stderr.close()


# Each end, record path and time unit; `make reliability` has all combinations, and a thousand kills.
SOME_CASES = [
    Case("cursor", "plain", "milliseconds"),
    Case("null", "mapped", "seconds"),
    Case("empty", "flattened", "milliseconds"),
    Case("null", "batch files", "milliseconds"),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", SOME_CASES, ids=str)
def test_kills(tmp_path: Path, case: Case) -> None:
    """Nothing is lost; no kill repeats more than two pages of a stream, or one batch."""
    crashes = Crashes(tmp_path, case, seed=4)
    crashes.run(kills=10)
    assert crashes.kills == 10
    assert all(crashes.records.values())
    assert crashes.lost() == 0
    # A session or user that changed is exported again, rightly; events never change.
    assert max(crashes.repeated) <= 2 * PAGE + 6
    counts = count_by_key("events", crashes.records["events"])
    assert sum(counts.values()) - len(counts) <= 2 * PAGE * (crashes.kills + 2)
