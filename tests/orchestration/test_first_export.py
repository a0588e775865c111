"""`docs/first-export.md` on one machine: the seam, months side by side, and no gap between."""

import json
import re
from itertools import pairwise

import pytest

from dev.environments import ROOT
from dev.expected import KEYS, STREAMS, moment
from dev.sandbox import Fault, Sandbox
from dev.sandbox.world import BEGINNING, DAY
from tests.orchestration.shells import NewProject, Same, finish, shell, succeed
from tests.support.documents import block
from tests.support.fixtures import Start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("schedulers")]

PAGE = "docs/first-export.md"
JANUARY, SEAM = BEGINNING, BEGINNING + 31 * DAY


@pytest.fixture
def sandbox(start: Start) -> Sandbox:
    """An API with records of the two days around the seam."""
    sandbox = start(visits=0)
    sandbox.world.now = SEAM - DAY
    sandbox.world.visits(70)
    assert sandbox.world.now > SEAM + DAY // 2
    return sandbox


def test_the_order_that_leaves_no_gap(
    sandbox: Sandbox, new_project: NewProject, same: Same
) -> None:
    project = new_project(sandbox)

    # 1. From the seam on.
    command, count = re.subn("2026-11-01", "2026-02-01", block(PAGE, "bash", "state set"))
    assert count == len(STREAMS)
    succeed(shell(command, project))
    first = {r.param("start") for r in sandbox.requests if r.param("end") is None}
    assert str(SEAM - DAY) in first

    # 2. The months before; one fails.
    bad = Fault(status=401, times=-1, when=lambda request: request.param("start") == str(JANUARY))
    sandbox.faults.append(bad)
    sandbox.requests.clear()
    months = block(PAGE, "bash", "xargs").replace("start=2024-01-01", "start=2025-12-01")
    months = months.replace("seam=2026-11-01", "seam=2026-02-01")
    months = months.replace("orchestrate/", f"{ROOT}/orchestrate/")
    code, output = finish(shell(months, project))
    assert code == 123
    assert "Interval 2026-01-01 to 2026-02-01: failed" in output
    assert output.count(": failed") == 1
    windows = {(r.param("start"), r.param("end")) for r in sandbox.requests if r.param("end")}
    dates = ["2025-12-01", "2026-01-01", "2026-02-01"]
    wanted = [f"{date}T00:00:00.000Z" for date in dates]
    found = sorted((moment(int(str(a))), moment(int(str(b)))) for a, b in windows)
    assert found == list(pairwise(wanted))

    # An event as old as the history arrives when its month is over and done with.
    sandbox.faults.clear()
    succeed(shell(f"{ROOT}/orchestrate/interval.sh 2026-01-01 2026-02-01", project))
    assert project.leftovers() == []
    world = sandbox.world
    old = {**world.items("events")[0], KEYS["events"]: world.uuid(), "timestamp": JANUARY + 1}
    world.logs["events"].extend([old])
    world.visits(3)
    world.late_events(3)

    # 3. The next night.
    succeed(shell("meltano run tap-croct target-postgres", project))
    same(sandbox)

    # None of the intervals has left a state.
    assert project.run("state", "list").count("tap-croct") == 1
    state = project.run("state", "get", "dev:tap-croct-to-target-postgres")
    (line,) = [line for line in state.splitlines() if line.startswith("{")]
    assert set(json.loads(line)["singer_state"]["bookmarks"]) == set(STREAMS)


def test_an_interval_needs_its_bounds(new_project: NewProject, sandbox: Sandbox) -> None:
    command = f"{ROOT}/orchestrate/interval.sh 2026-01-01"
    code, output = finish(shell(command, new_project(sandbox)))
    assert code == 2
    assert "START END" in output
