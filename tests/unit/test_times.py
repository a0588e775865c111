"""Times as text: put together from parts, and the same as from the calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from tap_croct.times import FIRST_MS, LAST_MS, to_rfc3339s

MINUTE = 60_000
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001

near = st.builds(
    lambda base, more: min(max(base + more, FIRST_MS), LAST_MS),
    st.sampled_from([FIRST_MS, -MINUTE, 0, 1_767_226_540_210, LAST_MS]),
    st.integers(-2 * MINUTE, 2 * MINUTE),
)
other = st.sampled_from([None, UNSET, "2026", Raw(b"1.5"), Raw(b"true")])


def text(value: Any) -> Any:
    if type(value) is not int:
        return value
    return (EPOCH + timedelta(milliseconds=value)).isoformat(timespec="milliseconds") + "Z"


@given(st.lists(st.one_of(near, st.integers(FIRST_MS, LAST_MS), other)))
def test_as_from_the_calendar(values: list[Any]) -> None:
    assert to_rfc3339s(values) == [*map(text, values)]


@pytest.mark.parametrize("ms", [FIRST_MS - 1, LAST_MS + 1, 10**400])
@pytest.mark.parametrize("before", [[], [FIRST_MS], [LAST_MS]])
def test_in_no_calendar(before: list[int], ms: int) -> None:
    with pytest.raises(OverflowError):
        to_rfc3339s([*before, ms])
