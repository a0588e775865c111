"""`docs/nightly.sh`: whatever fails, the state stays, and the next night loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.environments import ROOT, environment
from dev.expected import KEYS, STREAMS, expected_records
from dev.running import clean_environment, write
from tests.support.duck import path_with

if TYPE_CHECKING:
    from dev.sandbox import Sandbox

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "docs" / "nightly.sh"


class Nights:
    """Night after night into JSON Lines files."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        """Prepare the folder."""
        self.folder = folder
        self.sandbox = sandbox
        self.configure()
        write(folder / "target.json", {"do_timestamp_file": False})

    def configure(self, **settings: Any) -> None:
        write(self.folder / "config.json", self.sandbox.config(page_size=100) | settings)

    def start(self, *target: str) -> subprocess.Popen[bytes]:
        """Start a night in a process group of its own, as a terminal does."""
        jsonl = (str(environment("target-jsonl") / "target-jsonl"), "--config", "target.json")
        return subprocess.Popen(
            [SCRIPT, *(target or jsonl)],
            cwd=self.folder,
            env=clean_environment(PATH=path_with(Path(sys.executable).parent)),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *target: str) -> int:
        night = self.start(*target)
        night.communicate(timeout=120)
        return night.returncode

    @property
    def state(self) -> Any:
        return json.loads((self.folder / "state.json").read_text())

    def check(self) -> None:
        """Compare the last line of each key with the source.

        Raises:
            AssertionError: If they differ.
        """
        for stream in STREAMS:
            with (self.folder / f"{stream}.jsonl").open(encoding="utf-8") as lines:
                found = {record[KEYS[stream]]: record for record in map(json.loads, lines)}
            wanted = {r[KEYS[stream]]: r for r in expected_records(self.sandbox.world, stream)}
            assert found == wanted


def wrong_key(nights: Nights) -> int:
    nights.configure(api_key="wrong")
    return nights.run()


def wrong_setting(nights: Nights) -> int:
    nights.configure(page_size=5000)
    return nights.run()


def target_that_does_not_start(nights: Nights) -> int:
    return nights.run("target-that-does-not-exist")


def target_that_fails_early(nights: Nights) -> int:
    return nights.run("sh", "-c", "head -n 1 > /dev/null; exit 3")


def target_that_fails_late(nights: Nights) -> int:
    return nights.run("sh", "-c", "grep '\"STATE\"' | head -n 1; exit 3")


def target_without_state(nights: Nights) -> int:
    return nights.run("sh", "-c", "cat > /dev/null")


def ctrl_c(nights: Nights) -> int:
    nights.sandbox.switches.latency = 0.3
    nights.sandbox.requests.clear()
    night = nights.start()
    while not nights.sandbox.requests:
        time.sleep(0.01)
    os.killpg(night.pid, signal.SIGINT)
    night.communicate(timeout=60)
    time.sleep(0.5)  # requests under way are counted when they are answered
    nights.sandbox.switches.latency = 0
    return night.returncode


TROUBLES = [
    wrong_key, wrong_setting, target_that_does_not_start, target_that_fails_early,
    target_that_fails_late, target_without_state, ctrl_c,
]  # fmt: skip


def test_a_week_of_trouble(sandbox: Sandbox, tmp_path: Path) -> None:
    """A night that fails says so; the first good one after it resumes where the last one ended."""
    nights = Nights(tmp_path, sandbox)
    assert nights.run() == 0
    nights.check()
    state = nights.state
    sandbox.world.visits(10)
    for trouble in TROUBLES:
        assert trouble(nights) != 0, trouble.__name__
        assert nights.state == state, trouble.__name__
        nights.configure()
    sandbox.requests.clear()
    assert nights.run() == 0
    first = {s: sandbox.pages(s)[0].param("cursor") for s in STREAMS}
    assert first == {s: state["bookmarks"][s]["cursor"] for s in STREAMS}
    nights.check()


def test_the_readme_has_the_script() -> None:
    """The commands that the README shows are those of the script."""
    script = [line for line in SCRIPT.read_text().splitlines() if line and line[0] != "#"]
    shown = (ROOT / "README.md").read_text().replace("target/bin/target-jsonl", '"$@"')
    assert "\n".join(script) in shown
