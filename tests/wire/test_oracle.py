"""Selection, stream maps and flattening give what the SDK would: it is the oracle.

A tap that leaves all of that to the SDK (`tests.support.oracle`) gets the same pages, catalog and
settings as the tap, and gives the same schemas and records, value for value.
"""

import pytest
from hypothesis import given, seed, settings

from tests.support.fixtures import Start, Tap
from tests.support.oracle import Case, cases, differences, odd_items, reference_output

PARTS = 4
"""So that several workers can share the cases."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_as_the_sdk_would(start: Start, tap: Tap, part: int) -> None:
    """200 cases, always the same ones; 3,000 others with `--hypothesis-profile=many`."""
    few = settings().derandomize and settings().max_examples < 100
    cases_of_part = (200 if few else 3000) // PARTS
    sandbox = start(visits=0)
    for stream, log in sandbox.world.logs.items():
        log.extend(odd_items(stream))

    @settings(
        max_examples=cases_of_part,
        derandomize=False,  # each part has its seed
        report_multiple_bugs=False,
        print_blob=True,
    )
    @given(case=cases())
    def check(case: Case) -> None:
        catalog = {"streams": [case.entry]}
        output = tap(sandbox.config(**case.config), catalog=catalog, code=None)
        items = odd_items(case.entry["tap_stream_id"])
        if "Duplicate column name" in output.last_line:  # cut to one by the longest key
            with pytest.raises(ValueError, match="Duplicate column name"):
                reference_output(case.config, catalog, items)
            return
        assert output.code == 0, output.stderr
        reference = reference_output(case.config, catalog, items)
        flattened = bool(case.config.get("flattening_max_depth"))
        found = differences(reference, output, flattened=flattened)
        assert not found, "\n".join(found)

    (seed(part)(check) if few else check)()
