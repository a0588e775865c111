"""`bin/nightly.sh`: whatever fails, the state is never ahead of what was loaded."""

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
from dev.sandbox import Fault
from tests.support.catalogs import catalog_of, select
from tests.support.duck import path_with

if TYPE_CHECKING:
    from dev.sandbox import Sandbox

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "bin" / "nightly.sh"


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

    @property
    def jsonl(self) -> tuple[str, ...]:
        """The target, with its options."""
        return (str(environment("target-jsonl") / "target-jsonl"), "--config", "target.json")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a night in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            [SCRIPT, *(arguments or self.jsonl)],
            cwd=self.folder,
            env=clean_environment(PATH=path_with(Path(sys.executable).parent)),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> int:
        night = self.start(*arguments)
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


def test_a_tap_that_fails_half_way(sandbox: Sandbox, tmp_path: Path) -> None:
    """What was loaded is not exported again."""
    nights = Nights(tmp_path, sandbox)
    assert nights.run() == 0
    sandbox.world.visits(20)
    before = nights.state
    sandbox.faults.append(Fault(status=403, when=lambda request: request.stream == "sessions"))
    assert nights.run() == 1
    cursors = {stream: nights.state["bookmarks"][stream]["cursor"] for stream in STREAMS}
    assert cursors["events"] != before["bookmarks"]["events"]["cursor"]
    assert cursors["users"] == before["bookmarks"]["users"]["cursor"]
    sandbox.faults.clear()
    sandbox.requests.clear()
    assert nights.run() == 0
    assert {s: sandbox.pages(s)[0].param("cursor") for s in STREAMS} == cursors
    nights.check()


def test_configurations_and_a_catalog(sandbox: Sandbox, tmp_path: Path) -> None:
    """Any number of `--config`, as two words or one, and a catalog, before the target."""
    nights = Nights(tmp_path, sandbox)
    write(tmp_path / "maps.json", {"stream_maps": {"users": {"phone": "__NULL__"}}})
    write(tmp_path / "small.json", {"page_size": 7})
    catalog = catalog_of(tmp_path)
    select(catalog, "sessions", selected=False)
    write(tmp_path / "catalog.json", catalog)
    options = ("--config", "config.json", "--config=maps.json", "--config", "small.json")
    assert nights.run(*options, "--catalog", "catalog.json", *nights.jsonl) == 0
    assert {request.param("pageSize") for request in sandbox.requests} == {"7"}
    assert not (tmp_path / "sessions.jsonl").exists()
    users = (tmp_path / "users.jsonl").read_text().splitlines()
    assert users
    assert not any("phone" in json.loads(user) for user in users)


@pytest.mark.parametrize("arguments", [["--config"], ["--cofnig=a", "target"], ["--config=a"]])
def test_arguments_that_are_wrong(sandbox: Sandbox, tmp_path: Path, arguments: list[str]) -> None:
    nights = Nights(tmp_path, sandbox)
    night = nights.start(*arguments)
    _, said = night.communicate(timeout=60)
    assert night.returncode != 0
    assert b"nightly.sh" in said
    assert sandbox.requests == []
