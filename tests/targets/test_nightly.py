"""`bin/nightly.sh`: whatever fails, the state is never ahead of what was loaded."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from dev.environments import environment
from dev.expected import STREAMS, by_key, expected_records
from dev.running import write
from dev.sandbox import Fault, Sandbox
from tests.support.catalogs import selected_catalog
from tests.targets.nights import Nights

pytestmark = pytest.mark.slow


@pytest.fixture
def nights(tmp_path: Path, sandbox: Sandbox) -> Nights:
    """Night after night into JSON Lines files."""
    write(tmp_path / "target.json", {"do_timestamp_file": False})
    program = str(environment("target-jsonl") / "target-jsonl")
    return Nights(tmp_path, sandbox, (program, "--config", "target.json"))


def check(nights: Nights) -> None:
    """Compare the last line of each key with the source."""
    for stream in STREAMS:
        with (nights.folder / f"{stream}.jsonl").open(encoding="utf-8") as lines:
            found = by_key(stream, list(map(json.loads, lines)))
        assert found == by_key(stream, expected_records(nights.sandbox.world, stream))


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


TROUBLES: dict[str, tuple[str, ...]] = {
    "it does not start": ("target-that-does-not-exist",),
    "it fails early": ("sh", "-c", "head -n 1 > /dev/null; exit 3"),
    "it fails late": ("sh", "-c", "grep '\"STATE\"' | head -n 1; exit 3"),
    "it says no state": ("sh", "-c", "cat > /dev/null"),
}
"""What can be wrong with a target."""


def test_a_week_of_trouble(sandbox: Sandbox, nights: Nights) -> None:
    """A night that fails says so; the first good one after it resumes where the last one ended."""
    assert nights.run() == 0
    check(nights)
    state = nights.state
    sandbox.world.visits(10)
    for settings in ({"api_key": "wrong"}, {"page_size": 5000}):
        nights.configure(**settings)
        assert nights.run() != 0
        assert nights.state == state, settings
    nights.configure()
    for trouble, target in TROUBLES.items():
        assert nights.run(*target) != 0, trouble
        assert nights.state == state, trouble
    assert ctrl_c(nights) != 0
    assert nights.state == state
    sandbox.requests.clear()
    assert nights.run() == 0
    assert nights.first_cursors() == {s: state["bookmarks"][s]["cursor"] for s in STREAMS}
    check(nights)


def test_a_tap_that_fails_half_way(sandbox: Sandbox, nights: Nights) -> None:
    """What was loaded is not exported again."""
    assert nights.run() == 0
    sandbox.world.visits(20)
    before = nights.cursors()
    sandbox.faults.append(Fault(status=403, when=lambda request: request.stream == "sessions"))
    assert nights.run() == 1
    cursors = nights.cursors()
    assert cursors["events"] != before["events"]
    assert cursors["users"] == before["users"]
    sandbox.requests.clear()
    assert nights.run() == 0
    assert nights.first_cursors() == cursors
    check(nights)


def test_configurations_and_a_catalog(sandbox: Sandbox, nights: Nights) -> None:
    """Any number of `--config`, as two words or one, and a catalog, before the target."""
    folder = nights.folder
    write(folder / "maps.json", {"stream_maps": {"users": {"phone": "__NULL__"}}})
    write(folder / "small.json", {"page_size": 7})
    write(folder / "catalog.json", selected_catalog(folder, "events", "users"))
    options = ("--config", "config.json", "--config=maps.json", "--config", "small.json")
    assert nights.run(*options, "--catalog", "catalog.json", *nights.target) == 0
    assert {request.param("pageSize") for request in sandbox.requests} == {"7"}
    assert not (folder / "sessions.jsonl").exists()
    users = (folder / "users.jsonl").read_text().splitlines()
    assert users
    assert not any("phone" in json.loads(user) for user in users)


@pytest.mark.parametrize("arguments", [[], ["--config"], ["--cofnig=a", "target"], ["--config=a"]])
def test_what_cannot_be_meant(sandbox: Sandbox, nights: Nights, arguments: list[str]) -> None:
    """An empty state was something once: everything would be exported again."""
    (nights.folder / "state.json").touch()
    night = nights.start(*arguments)
    _, said = night.communicate(timeout=60)
    assert night.returncode != 0
    assert (b"nightly.sh" if arguments else b"state.json is empty; `{}` is a valid state") in said
    assert sandbox.requests == []
