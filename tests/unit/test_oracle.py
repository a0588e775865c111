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

import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings

from tests.support.comparing import differences
from tests.support.drawing import Case, cases
from tests.support.oracle import Outcome, reference_outcome, tap_outcome

if TYPE_CHECKING:
    from pathlib import Path

USUAL = 500
CASES = int(os.environ.get("ORACLE_CASES", USUAL))
"""How many cases are drawn: always the same ones, unless another number is asked for."""


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
            "compared": True,
        }.items()
        if present
    ]


def test_as_the_sdk_would(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()

    @settings(
        max_examples=CASES,
        deadline=None,
        derandomize=CASES == USUAL,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases((tmp_path / "batches").as_uri()))
    def check(case: Case) -> None:
        pages = case.pages()
        reference = reference_outcome(case.config, case.catalog(), pages)
        tap = tap_outcome(case.config, case.catalog(), pages)
        counts.update(seen(case, reference))
        shutil.rmtree(tmp_path / "batches", ignore_errors=True)
        found = differences(case.config, reference, tap)
        assert not found, "\n".join(found)

    check()
    for name in ("selection", "stream maps", "several maps", "flattening", "batch files"):
        assert counts[name] > CASES / 20, counts
    assert counts["records"] > CASES / 2, counts
    assert counts["errors"] < CASES / 4, counts
    print(f"Oracle:     {dict(counts)}")
