"""Times as text: put together from parts, and the same as from the calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_croct.times import FIRST_MS, LAST_MS, from_api, to_rfc3339

MINUTE = 60_000
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001

near = st.builds(
    lambda base, more: min(max(base + more, FIRST_MS), LAST_MS),
    st.sampled_from([FIRST_MS, -MINUTE, 0, 1_767_226_540_210, LAST_MS]),
    st.integers(-2 * MINUTE, 2 * MINUTE),
)


@given(st.one_of(near, st.integers(FIRST_MS, LAST_MS)))
def test_as_from_the_calendar(ms: int) -> None:
    text = (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"
    assert to_rfc3339(ms) == from_api(ms) == from_api(Decimal(ms)) == text


@pytest.mark.parametrize("ms", [FIRST_MS - 1, LAST_MS + 1, 10**400, Decimal("1.5"), True, "1"])
def test_in_no_calendar(ms: object) -> None:
    assert from_api(ms) is None
