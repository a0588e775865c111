"""A run that is cut ends at once, on a whole line, and the next one goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_croct.messages import MessageWriter
from tests.helpers import (
    KEYS,
    STREAMS,
    TAP,
    clean_environment,
    count_by_key,
    expected_records,
    write,
)
from tests.sandbox import Fault, Sandbox, Switches, World

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., Sandbox]

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


def launch(folder: Path, config: dict[str, Any], state: Any = None) -> subprocess.Popen[bytes]:
    command = [*TAP, "--config", write(folder / "config.json", config)]
    if state is not None:
        command += ["--state", write(folder / "state.json", state)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=clean_environment(PYTHONPATH=str(Path.cwd())),
    )


def end(process: subprocess.Popen[bytes], signum: int) -> tuple[float, bytes, bytes]:
    """Send a signal and read on; return the seconds that it took, and the rest of the output."""
    started = time.monotonic()
    process.send_signal(signum)
    out, err = process.communicate(timeout=20)
    return time.monotonic() - started, out, err


@pytest.mark.parametrize("signum", CODES)
class TestWithinTwoSeconds:
    """Whatever the tap is doing; while the reader reads."""

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

    @pytest.mark.parametrize("delay", [0.08, 0.2, 0.4])
    def test_starting(self, sandbox: Sandbox, tmp_path: Path, signum: int, delay: float) -> None:
        sandbox.switches.latency = 1
        process = launch(tmp_path, sandbox.config())
        time.sleep(delay)
        seconds, _, err = end(process, signum)
        assert seconds < 2
        assert process.returncode == CODES[signal.Signals(signum)]
        assert b"Traceback" not in err


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


class Crashes:
    """Runs an export that is killed at random moments, again and again until it is through."""

    def __init__(self, folder: Path, end: str, seed: int) -> None:
        """Prepare an export.

        Args:
            folder: For the configuration and the state.
            end: How the export ends: see `Switches`.
            seed: What happens is the same for the same seed, but for the moments.
        """
        self.folder = folder
        self.random = random.Random(seed)
        self.sandbox = Sandbox(World(seed, visits=60), Switches(end=end))
        self.config = self.sandbox.config(page_size=25)
        self.records: dict[str, list[dict[str, Any]]] = {stream: [] for stream in STREAMS}
        self.state: dict[str, Any] = {}
        self.kills = 0
        self.repeated: list[int] = []
        """Records of a stream that came again after each kill."""

    def run(self, kills: int) -> None:
        """Kill that many runs, then let one finish."""
        with self.sandbox:
            while self.kills < kills:
                self._run(kill=True)
                if self.kills % 8 == 0:
                    self.sandbox.world.visits(3)
            for _ in range(2):
                self._run(kill=False)

    def _run(self, *, kill: bool) -> None:
        process = launch(self.folder, self.config, self.state)
        killed = threading.Event()
        if kill:
            signum = self.random.choice((signal.SIGKILL, signal.SIGTERM))
            # from the first moment of the start to some time into the writing
            delay = self.random.uniform(0.0, 0.3) + self.random.choice((0.0, 0.35, 0.35, 0.35))

            def strike() -> None:
                if process.poll() is None:
                    killed.set()
                    process.send_signal(signum)

            timer = threading.Timer(delay, strike)
            timer.start()
        out = self._read(process)
        code = process.wait(timeout=30)
        if kill:
            timer.cancel()
            if code in {-signal.SIGKILL, 143, -signal.SIGTERM}:
                self.kills += 1
                if signum == signal.SIGTERM:
                    assert out == b"" or out.endswith(b"\n")
            else:
                assert code == 0
        else:
            assert code == 0
        self._take(out)

    def _read(self, process: subprocess.Popen[bytes]) -> bytes:
        """Read slowly enough for a kill to strike in the middle."""
        assert process.stdout is not None
        assert process.stderr is not None
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        out = bytearray()
        while chunk := os.read(process.stdout.fileno(), 16384):
            out += chunk
            time.sleep(0.002)
        drain.join()
        process.stdout.close()
        process.stderr.close()
        return bytes(out)

    def _take(self, out: bytes) -> None:
        """Take what arrived: records, and the last state that is a whole line."""
        before = {s: {r[KEYS[s]] for r in self.records[s]} for s in STREAMS}
        again = dict.fromkeys(STREAMS, 0)
        for line in out.split(b"\n")[:-1]:
            message = json.loads(line)
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "RECORD":
                stream = message["stream"]
                self.records[stream].append(message["record"])
                again[stream] += message["record"][KEYS[stream]] in before[stream]
        self.repeated += again.values()

    def lost(self, stream: str) -> int:
        """Count the records of the source that did not arrive, or not with every value."""
        arrived = {json.dumps(record, sort_keys=True) for record in self.records[stream]}
        wanted = expected_records(self.sandbox.world, stream)
        return sum(json.dumps(record, sort_keys=True) not in arrived for record in wanted)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["cursor", "null", "empty"])
def test_kills(tmp_path: Path, end: str) -> None:
    """Nothing is lost; no kill repeats more than two pages of a stream."""
    crashes = Crashes(tmp_path, end, seed=4)
    crashes.run(kills=40)
    assert crashes.kills == 40
    for stream in STREAMS:
        assert crashes.lost(stream) == 0
        assert crashes.records[stream]
    # A session or user that changed comes again, rightly; events never change.
    assert max(crashes.repeated) <= 2 * 25 + 6
    counts = count_by_key("events", crashes.records["events"])
    assert sum(counts.values()) - len(counts) <= 2 * 25 * (crashes.kills + 2)


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
        writer.write_records(
            "events", [{"id": "x" * 100}, {"id": "y"}], version=None, time_extracted=NOW
        )
    assert out.endswith(b"\n")
    assert [json.loads(line)["record"] for line in out.splitlines()] == [{"id": "x" * 100}]
