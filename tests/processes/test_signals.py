"""A run that is cut ends at once, on a whole line, whatever becomes of its output."""

import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest

from dev.crashes import PAGE, Case, Crashes
from dev.environments import ROOT
from dev.expected import by_key, expected_records
from dev.processes import wait_until
from dev.running import TAP, Output, clean_environment, launch, write
from dev.sandbox import Fault, Sandbox
from tap_croct.tap import TapCroct
from tests.support.fixtures import Start
from tests.support.runs import assert_all, batches

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
    """Whatever the tap is doing; while the reader reads."""

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


def test_after_the_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no line left to bring to its end."""

    def write(data: bytes) -> int:
        signal.raise_signal(signal.SIGTERM)
        return len(data)

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=SimpleNamespace(write=write)))
    with pytest.raises(SystemExit, match="143"):
        TapCroct(config={"api_key": "some-key"}).run_discovery()


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


# Standard output that is closed, full or non-blocking, and signals before there is a tap

ENVIRONMENT = clean_environment(PYTHONPATH=str(ROOT))


def run(arguments: str, folder: Path) -> Output:
    """Run the tap with arguments and redirections as a shell takes them."""
    command = f"{' '.join(TAP)} {arguments}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=False, env=ENVIRONMENT, cwd=folder
    )
    return Output(done.returncode, done.stdout.decode(), done.stderr.decode())


NOT_WRITABLE = [
    (">&-", "Standard output is closed", ["", "--discover", "--test", "--about"]),
    # --test and --about write nothing that counts.
    (">/dev/full", "Standard output cannot be written: No space left", ["", "--discover"]),
    ("1</dev/null", "Standard output cannot be written: Bad file", ["", "--discover"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "says", "options"), NOT_WRITABLE, ids=["closed", "full", "read only"]
)
def test_not_writable(
    sandbox: Sandbox, tmp_path: Path, to: str, says: str, options: list[str]
) -> None:
    if "full" in to and sys.platform != "linux":
        pytest.skip("only Linux has /dev/full")
    write(tmp_path / "config.json", sandbox.config())
    for option in options:
        output = run(f"{option} --config config.json {to}", tmp_path)
        assert output.code == 1
        assert says in output.last_line
    assert sandbox.requests == []


@pytest.mark.slow
def test_nothing_follows_a_line_that_is_cut(sandbox: Sandbox, tmp_path: Path) -> None:
    """Nor does a batch file that no message announces."""
    settings = batches(tmp_path, batch_size=50)
    config = write(tmp_path / "config.json", sandbox.config(page_size=50, **settings))
    command = [*TAP, "--config", config]
    whole = subprocess.run(command, capture_output=True, check=True, env=ENVIRONMENT).stdout
    for file in tmp_path.glob("croct-*"):
        file.unlink()
    third = [found.start() for found in re.finditer(b'{"type":"BATCH"', whole)][2]
    with (tmp_path / "out").open("wb") as out:
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (third + 20, third + 20))
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, check=False, env=ENVIRONMENT,
            preexec_fn=limit,
        )  # fmt: skip
    assert b"Standard output cannot be written: File too large" in done.stderr.splitlines()[-1]
    assert (tmp_path / "out").read_bytes().count(b'{"type":"BATCH"') == 3
    assert len(list(tmp_path.glob("croct-*"))) == 3


@pytest.mark.slow
def test_standard_error_is_closed(sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path / "config.json", sandbox.config())
    assert_all(run("--config config.json 2>&-", tmp_path), sandbox)


def non_blocking(folder: Path, config: object) -> tuple[subprocess.Popen[bytes], int]:
    """Start the tap with standard output as a parent in another language may leave it."""
    read, output = os.pipe()
    os.set_blocking(output, False)
    process = launch(folder, config, stdout=output)
    os.close(output)
    return process, read


def rest(process: subprocess.Popen[bytes], read: int, pause: float = 0) -> Output:
    text = b""
    while chunk := os.read(read, 50_000):
        text += chunk
        time.sleep(pause)
    os.close(read)
    _, error = process.communicate(timeout=20)
    return Output(process.returncode, text.decode(), error.decode())


@pytest.mark.slow
def test_non_blocking(start: Start, tmp_path: Path) -> None:
    """With a slow reader."""
    sandbox = start(visits=200)
    process, read = non_blocking(tmp_path, sandbox.config())
    time.sleep(1.5)
    assert_all(rest(process, read, pause=0.001), sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM] * 2])
def test_a_signal_while_a_full_output_is_waited_for(
    start: Start, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    """Nothing of a line may be left half: the reader gets the rest."""
    sandbox = start(visits=200)
    process, read = non_blocking(tmp_path, sandbox.config())
    select.select([read], [], [], 30)  # until it writes; the pipe is full soon after
    time.sleep(0.5)
    for signum in signals:
        process.send_signal(signum)
        time.sleep(0.1)
    output = rest(process, read)
    assert output.code == 128 + signals[0]
    assert output.stdout.endswith("\n")
    assert 0 < len(output.records("events")) < 1000, "the rest of the page, too"
    assert f"Ended by {signals[0].name}" in output.last_line


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_signal_while_it_starts(sandbox: Sandbox, tmp_path: Path) -> None:
    """From the moment that the tap's first line runs, through all of its imports."""
    sandbox.switches.latency = 0.2
    for step, signum in zip(range(15), cycle(SIGNALS), strict=False):
        process = launch(tmp_path, sandbox.config())
        while not handles_signals(process.pid):
            assert process.poll() is None
        time.sleep(step * 0.04)
        sent = time.monotonic()
        process.send_signal(signum)
        out, error = process.communicate(timeout=20)
        assert time.monotonic() - sent < 2
        assert process.returncode == 128 + signum, (step, error)
        assert b"Traceback" not in error
        assert b"nded by " + signum.name.encode() in error.splitlines()[-1]
        assert out == b"" or out.endswith(b"\n")


def handles_signals(pid: int) -> bool:
    """Tell whether a process has a handler for SIGTERM: Python itself has none."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
