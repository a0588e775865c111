"""Pages without records in the middle of an export: followed, up to five in a row; nothing is lost."""

import base64
import json

import pytest

from dev.expected import expected_records
from dev.sandbox import Fault, Request, Sandbox
from tests.support.fixtures import Json, Tap
from tests.support.runs import Pipeline

SIZE = 20
PASSED = {"start_date": "2020-01-01", "end_date": "2026-01-01T03:00:00Z"}


def empty(position: int, number: int) -> bytes:
    """Return a page without records; its cursor stands for the same position, but is another."""
    text = f'["events",{" " * number}{position}]'
    cursor = base64.b64encode(b"+/?&" + text.encode()).decode()
    return json.dumps({"items": [], "nextCursor": cursor}).encode()


def empty_pages(sandbox: Sandbox, position: int) -> list[Fault]:
    """Have nine empty pages in a row come where so many records have been sent."""

    def comes(request: Request) -> bool:
        if request.stream != "events" or request.param("pageSize") != str(SIZE):
            return False
        cursor = request.param("cursor")
        at = json.loads(base64.b64decode(cursor)[4:])[1] if cursor else 0
        return bool(at == position)

    sandbox.faults = [
        Fault(status=200, body=empty(position, number), when=comes) for number in range(2, 11)
    ]
    return sandbox.faults


@pytest.mark.parametrize("window", [{}, PASSED, {"start_date": "2020-01-01"}], ids=str)
@pytest.mark.parametrize("position", [0, 40])
def test_after_five_the_next_run_resumes(
    tap: Tap, pipeline: Pipeline, position: int, window: Json
) -> None:
    """The window does not count as finished: a later `end_date` brings what is missing, too."""
    sandbox = pipeline.sandbox
    wanted = tap(sandbox.config(**window)).records("events")
    faults = empty_pages(sandbox, position)
    first = pipeline.run(page_size=SIZE, **window)
    assert sum(fault.seen for fault in faults) == 5
    (warning,) = first.warnings
    assert "events: 5 pages without records in a row" in warning
    assert first.last_line.endswith("left for the next run: events (empty pages)")
    bookmark = pipeline.bookmark()
    assert not bookmark["scope"]["finished"]
    assert len(first.records("events")) == position

    sandbox.faults = []
    second = pipeline.run(page_size=SIZE, **window)
    assert bookmark["cursor"] in [page.param("cursor") for page in sandbox.pages("events")]
    assert second.last_line.endswith("nothing left")
    assert pipeline.records["events"] == wanted


@pytest.mark.parametrize("parameter", ["start", "pageSize"])
@pytest.mark.parametrize("count", [1, 4, 5, 12])
def test_while_the_time_unit_is_found_out(pipeline: Pipeline, count: int, parameter: str) -> None:
    """More than four say nothing about the unit: a wrong one would bring an empty export."""
    window: Json = {"start_date": "2020-01-01", "end_date": "2027-01-01"}

    def asks_for_the_unit(request: Request) -> bool:
        only_one = request.stream == "events" and request.param("pageSize") == "1"
        return only_one and parameter in request.params

    pipeline.sandbox.faults = [
        Fault(status=200, body=empty(0, number), when=asks_for_the_unit)
        for number in range(2, count + 2)
    ]
    first = pipeline.run(**window)
    wanted = expected_records(pipeline.sandbox.world, "events")
    assert first.records("events") == (wanted if count < 5 else [])
    assert first.last_line.endswith("nothing left" if count < 5 else "events (empty pages)")
    pipeline.sandbox.faults = []
    pipeline.run(**window)
    assert pipeline.records["events"] == wanted
