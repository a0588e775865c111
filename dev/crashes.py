"""An export that is killed again and again."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from dev.expected import KEYS, STREAMS, expected_records
from dev.running import launch
from dev.sandbox import Sandbox, Switches, World

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


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
        process = launch(self.folder, self.config, state=self.state)
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
