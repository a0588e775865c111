"""Selection, stream maps and flattening give what the SDK would: it is the oracle.

A tap that leaves all of that to the SDK (`tests.support.oracle`) gets the same pages, catalog and
settings as the tap, and gives the same schemas and records, value for value.
"""

import itertools
import re
from collections import Counter

import pytest
from hypothesis import given, seed, settings

from dev.sandbox import Fault, Sandbox
from dev.sandbox.api import Request
from tests.support.drawing import Case, cases
from tests.support.fixtures import Tap
from tests.support.oracle import Outcome, differences, reference_outcome

_CURSOR = re.compile(rb'("nextCursor": ?")')
PARTS = 4
"""So that several workers can share the cases."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_as_the_sdk_would(sandbox: Sandbox, tap: Tap, part: int) -> None:
    """300 cases, always the same ones; 3,000 others with `--hypothesis-profile=many`."""
    few = settings().derandomize and settings().max_examples < 100
    cases_of_part = (300 if few else 3000) // PARTS
    counts: Counter[str] = Counter()
    numbers = itertools.count()

    @settings(
        max_examples=cases_of_part,
        derandomize=False,  # each part has its seed
        report_multiple_bugs=False,
        print_blob=True,
    )
    @given(case=cases())
    def check(case: Case) -> None:
        catalog, pages = {"streams": [case.entry]}, case.pages()
        reference = reference_outcome(case.config, catalog, pages)
        own = f"{next(numbers)}-"  # a request that the run before left may still be on its way

        def is_own(request: Request) -> bool:
            return (request.param("cursor") or own).startswith(own)

        bodies = [_CURSOR.sub(rb"\g<1>%b" % own.encode(), body) for body in pages[case.stream]]
        sandbox.faults = [Fault(status=200, body=body, when=is_own) for body in bodies]
        output = tap(sandbox.config(**case.config), catalog=catalog, code=None)
        if "is deselected in the catalog" in output.stderr:  # the SDK fails at the first record
            return
        outcome = Outcome(output.last_line if output.code else "")
        outcome.read(output.stdout.split("\n")[:-1])
        flattened = bool(case.config.get("flattening_max_depth"))
        found = differences(reference, outcome, flattened=flattened)
        assert not found, "\n".join(found)
        counts.update(
            name
            for name, seen in {
                "selection": case.selected,
                "stream maps": case.config.get("stream_maps"),
                "several maps": "copies" in outcome.schemas,
                "flattening": flattened,
                "records": outcome.records,
            }.items()
            if seen
        )

    (seed(part)(check) if few else check)()
    for name in ("selection", "stream maps", "several maps", "flattening"):
        assert counts[name] > cases_of_part / 25, counts
    assert counts["records"] > cases_of_part / 2, counts
