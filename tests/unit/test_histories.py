"""Over many runs nothing is lost, whatever changes between them, and in them."""

import pytest
from hypothesis import given, seed

from tests.support.history import Arrival, History, Run, histories

PARTS = 4
"""So that several workers can share the histories."""


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_over_many_runs(part: int) -> None:
    @seed(part)
    @given(histories())
    def lose_nothing(history: History) -> None:
        assert history.mistakes() == []
        assert history.steady.mistakes() == []

    lose_nothing()


def test_a_loss_would_be_noticed() -> None:
    """A record that is later than the lookback, and no cursor: this much is not promised."""
    arrivals = [Arrival(1, 0.0, "A"), Arrival(3_600_000, 0.0, "A")]
    for delay, lost in ((0.9, 0), (1.9, 1)):
        late = Run([Arrival(1, delay, "A")], forgets=0)
        history = History([Run(arrivals), late], "milliseconds", "cursor", 1)
        assert len(history.mistakes()) == lost
