"""Records go out as the SDK's own way would have them.

The SDK's implementation is the oracle: a tap that leaves selection, stream maps and flattening to
it (`tests.support.oracle`) gets the same pages, catalog and settings as the tap, and gives the same
schemas and records, value for value and key for key. Numbers are compared by value and kind, the
order of properties is not compared. `tests.support.converted` holds the differences that are meant:
what the tap does to items, null objects under flattening, and the column `additionalProperties`.
Batch files are compared with the reference's RECORD messages: the SDK's would hold what a catalog
deselects.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, seed, settings

from tests.support.comparing import differences
from tests.support.drawing import Case, cases
from tests.support.oracle import Outcome, reference_outcome, tap_outcome

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 5
"""So that several workers can share the cases."""


def seen(case: Case, outcome: Outcome) -> list[str]:
    """Return what a case was about."""
    config = case.config
    return [
        name
        for name, present in {
            "selection": case.selection,
            "stream maps": config.get("stream_maps"),
            "several maps": "copies" in outcome.schemas,
            "flattening": config.get("flattening_enabled"),
            "batch files": config.get("batch_config"),
            "errors": outcome.error,
            "records": outcome.records,
        }.items()
        if present
    ]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_as_the_sdk_would(tmp_path: Path, part: int) -> None:
    """500 cases, always the same ones; 5,000 others with `--hypothesis-profile=many`."""
    few = settings().derandomize and settings().max_examples < 100
    cases_of_part = (500 if few else 5000) // PARTS
    counts: Counter[str] = Counter()

    @settings(
        max_examples=cases_of_part,
        derandomize=False,  # each part has its seed
        report_multiple_bugs=False,
        print_blob=True,
    )
    @given(case=cases((tmp_path / "batches").as_uri()))
    def check(case: Case) -> None:
        pages = case.pages()
        reference = reference_outcome(case.config, case.catalog(), pages)
        tap = tap_outcome(case.config, case.catalog(), pages)
        counts.update(seen(case, reference))
        shutil.rmtree(tmp_path / "batches", ignore_errors=True)
        if "selects no stream" in str(tap.error):  # the SDK's way is to export nothing
            assert not reference.records
            return
        found = differences(case.config, reference, tap)
        assert not found, "\n".join(found)

    (seed(part)(check) if few else check)()
    for name in ("selection", "stream maps", "several maps", "flattening", "batch files"):
        assert counts[name] > cases_of_part / 25, counts
    assert counts["records"] > cases_of_part / 2, counts
    assert counts["errors"] < cases_of_part / 4, counts
