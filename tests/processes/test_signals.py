"""A run that is cut ends at once, on a whole line, and the next one resumes."""

import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dev.crashes import PAGE, Case, Crashes
from dev.expected import by_key, expected_records
from dev.processes import wait_until
from dev.running import Output, launch
from dev.sandbox import Fault, Sandbox
from tap_croct.tap import TapCroct
from tests.support.fixtures import Start

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def end(process: subprocess.Popen[bytes], signum: int) -> Output:
    """Send a signal and read on; see it end in time, on a whole line."""
    started = time.monotonic()
    process.send_signal(signum)
    out, err = process.communicate(timeout=20)
    output = Output(process.returncode, out.decode(), err.decode())
    assert time.monotonic() - started < 2
    assert output.code == 128 + signum
    assert output.stdout.endswith("\n")
    assert "Traceback" not in output.stderr
    return output


@pytest.mark.slow
@pytest.mark.parametrize("signum", SIGNALS)
class TestWithinTwoSeconds:
    """Whatever the tap is doing; while the reader reads. For its start, see `test_output.py`."""

    def test_writing_to_a_slow_reader(self, start: Start, tmp_path: Path, signum: int) -> None:
        sandbox = start(visits=200)
        process = launch(tmp_path, sandbox.config(page_size=300))
        assert process.stdout is not None
        head = b"".join(process.stdout.readline() for _ in range(200))
        time.sleep(0.5)  # the pipe is full now, and a line half in it
        output = end(process, signum)
        assert Output(0, head.decode() + output.stdout, "").of("RECORD")
        (pages,) = re.findall(r"events: stopped: \d+ records in (\d+) pages?", output.stderr)
        assert f"stopped: {int(pages) * 300} records" in output.stderr

    @pytest.mark.parametrize(
        "fault",
        [Fault("hang", seconds=6), Fault(status=429, headers={"Retry-After": "300"})],
        ids=["for an answer", "before a retry"],
    )
    def test_waiting(self, sandbox: Sandbox, tmp_path: Path, signum: int, fault: Fault) -> None:
        after = lambda request: request.param("cursor") is not None  # noqa: E731
        sandbox.faults = [replace(fault, when=after)]
        process = launch(tmp_path, sandbox.config(page_size=20))
        wait_until("it asks for the second page", lambda: len(sandbox.requests) > 1)
        time.sleep(0.3)
        output = end(process, signum)
        assert "events: stopped: 20 records in 1 page, " in output.stderr


def test_before_the_first_line() -> None:
    """Nothing is being written yet that would have to be brought to its end."""
    TapCroct(config={"api_key": "some-key"})
    with pytest.raises(SystemExit, match="143"):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.slow
def test_a_run_that_a_terminal_leaves_behind(sandbox: Sandbox, tmp_path: Path) -> None:
    """With SIGHUP ignored, as `nohup` starts it, it goes on when the terminal is closed."""
    sandbox.faults = [Fault("hang", seconds=1)]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = launch(tmp_path, sandbox.config())
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_until("it asks for a page", lambda: sandbox.requests)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert Output(0, out.decode(), "").records("users") == expected_records(sandbox.world, "users")


@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 1, 50])
def test_a_reader_that_goes_away(start: Start, tmp_path: Path, lines: int) -> None:
    sandbox = start(visits=200)
    with launch(tmp_path, sandbox.config()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 128 + signal.SIGPIPE
    assert b"Traceback" not in err
    assert b"Exception" not in err


# Each end, record path and time unit; `make reliability` has all combinations, and a thousand kills.
SOME_CASES = [
    ("cursor", "plain", "milliseconds"),
    ("null", "mapped", "seconds"),
    ("empty", "flattened", "milliseconds"),
    ("null", "batch files", "milliseconds"),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", SOME_CASES, ids=", ".join)
def test_kills(tmp_path: Path, case: Case) -> None:
    """Nothing is lost; no kill repeats more than two pages of a stream, or one batch."""
    crashes = Crashes(tmp_path, case, seed=4)
    crashes.run(kills=10)
    assert crashes.kills == 10
    assert all(crashes.records.values())
    assert crashes.lost() == 0
    # A session or user that changed is exported again, rightly; events never change.
    assert max(crashes.repeated) <= 2 * PAGE + 6
    events = crashes.records["events"]
    assert len(events) - len(by_key("events", events)) <= 2 * PAGE * (crashes.kills + 2)
