"""Standard output that is closed, full or non-blocking, and signals before there is a tap."""

import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest

from dev.environments import ROOT
from dev.running import TAP, Output, clean_environment, launch, write
from dev.sandbox import Sandbox
from tap_croct import SIGNALS
from tests.support.fixtures import Start
from tests.support.runs import assert_all, batches

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
