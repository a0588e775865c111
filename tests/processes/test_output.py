"""Standard output that is closed, full or non-blocking, and signals before there is a tap."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.environments import ROOT
from dev.expected import STREAMS, expected_records
from dev.running import TAP, clean_environment, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.sandbox import Sandbox

    Start = Callable[..., Sandbox]

ENVIRONMENT = clean_environment(PYTHONPATH=str(ROOT))


def run(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a shell command, in which `TAP` is the tap."""
    text = command.replace("TAP", " ".join(TAP))
    return subprocess.run(
        ["bash", "-c", text], capture_output=True, check=False, env=ENVIRONMENT, cwd=folder
    )


def last_line(error: bytes) -> str:
    return error.decode().strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("option", ["", "--discover", "--test", "--about"])
def test_closed(sandbox: Sandbox, tmp_path: Path, option: str) -> None:
    write(tmp_path / "config.json", sandbox.config())
    done = run(f"TAP {option} --config config.json >&-", tmp_path)
    assert done.returncode == 1
    assert "Standard output is closed" in last_line(done.stderr)
    assert sandbox.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("option", ["", "--discover"])
@pytest.mark.parametrize(
    ("output", "says"),
    [
        pytest.param(
            "/dev/full",
            "No space left on device",
            id="full",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it"),
        ),
        pytest.param("1</dev/null", "Bad file descriptor", id="read only"),
    ],
)
def test_not_writable(
    sandbox: Sandbox, tmp_path: Path, option: str, output: str, says: str
) -> None:
    write(tmp_path / "config.json", sandbox.config())
    to = output if output.startswith("1") else f">{output}"
    done = run(f"TAP {option} --config config.json {to}", tmp_path)
    assert done.returncode == 1
    assert f"Standard output cannot be written: {says}" in last_line(done.stderr)
    assert sandbox.requests == []


def test_standard_error_is_closed(sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path / "config.json", sandbox.config())
    done = run("TAP --config config.json 2>&-", tmp_path)
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    records = [
        line["record"] for line in lines if line.get("stream") == "events" if "record" in line
    ]
    assert records == expected_records(sandbox.world, "events")


@pytest.mark.slow
@pytest.mark.parametrize("option", [[], ["--discover"]])
def test_non_blocking(start: Start, tmp_path: Path, option: list[str]) -> None:
    """As a parent process in another language may leave it, with a slow reader."""
    sandbox = start(visits=200)
    config = write(tmp_path / "config.json", sandbox.config())
    read, output = os.pipe()
    os.set_blocking(output, False)
    process = subprocess.Popen(
        [*TAP, *option, "--config", config],
        stdout=output,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    os.close(output)
    time.sleep(1.5)
    text = b""
    while chunk := os.read(read, 50_000):
        text += chunk
        time.sleep(0.001)
    os.close(read)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 0, error
    if option:
        assert len(json.loads(text)["streams"]) == 3
        return
    lines = [json.loads(line) for line in text.splitlines()]
    for stream in STREAMS:
        records = [m["record"] for m in lines if m["type"] == "RECORD" and m["stream"] == stream]
        assert records == expected_records(sandbox.world, stream)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_full_output_is_waited_for(
    start: Start, tmp_path: Path, signum: int
) -> None:
    """Nothing of a line may be left half: the reader gets the rest."""
    sandbox = start(visits=200)
    config = write(tmp_path / "config.json", sandbox.config())
    read, output = os.pipe()
    os.set_blocking(output, False)
    process = subprocess.Popen(
        [*TAP, "--config", config], stdout=output, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    os.close(output)
    select.select([read], [], [], 30)  # until it writes; the pipe is full soon after
    time.sleep(0.5)
    process.send_signal(signum)
    text = b""
    while chunk := os.read(read, 50_000):
        text += chunk
    os.close(read)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 128 + signum
    assert text.endswith(b"\n")
    assert f"Ended by {signal.Signals(signum).name}" in last_line(error)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("option", [[], ["--discover"]])
def test_a_signal_while_it_starts(
    sandbox: Sandbox, tmp_path: Path, signum: int, option: list[str]
) -> None:
    """From the moment that the tap's first line runs, through all of its imports."""
    config = write(tmp_path / "config.json", sandbox.config())
    sandbox.switches.latency = 0.2
    clear = 0
    for step in range(12):
        process = subprocess.Popen(
            [*TAP, *option, "--config", config],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        while not handles_signals(process.pid):
            assert process.poll() is None
        time.sleep(step * 0.05)
        sent = time.monotonic()
        process.send_signal(signum)
        out, error = process.communicate(timeout=20)
        assert time.monotonic() - sent < 2
        if process.returncode == 0:
            assert option, "the export takes longer"
            continue
        assert process.returncode == 128 + signum, (step, error)
        assert b"Traceback" not in error
        assert b"nded by " + signal.Signals(signum).name.encode() in error.splitlines()[-1]
        assert out == b"" or out.endswith(b"\n")
        clear += 1
    assert clear >= 3


def handles_signals(pid: int) -> bool:
    """Tell whether a process has a handler for SIGTERM: Python itself has none."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
