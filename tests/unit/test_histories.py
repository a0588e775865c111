"""Over many runs nothing is lost, whatever changes between them, and in them.

Histories are many runs of one stream against an API that forgets, fails and is asked differently.

In process and without HTTP, so that thousands can be tried. What a run has to deliver is known
without the tap's help: all that had arrived when it began, in its scope, unless an earlier run had
delivered it already.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from tap_croct import export, times
from tap_croct.bookmark import HOUR, Bookmark, checked_state
from tap_croct.decode import Page
from tap_croct.errors import ApiError
from tap_croct.export import CAUGHT_UP, END_DATE, NOTHING_YET, Export
from tap_croct.times import to_rfc3339

BEGIN = 1_767_225_600_000
DAY = 24 * HOUR
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """A record that arrives.

    Attributes:
        after: Milliseconds since the arrival before.
        delay: How much earlier than its arrival it happened, as a share of what may be late;
            negative where the clock was wrong and its time lies so many days in the future.
        kind: Type of the event.
    """

    after: int
    delay: float
    kind: str


@dataclass(frozen=True)
class Run:
    """A run, and what happens before it and in it.

    Attributes:
        arrivals: What arrives before it.
        late: What arrives while it runs, one record after each page.
        start: Its `start_date`, in milliseconds since the epoch.
        end: Its `end_date`.
        kinds: Its `event_types`.
        knows_unit: Whether its `time_unit` is the API's, or `auto`.
        page_size: Records of a page.
        limit: Its `max_records`.
        forgets: After how many of its pages the API forgets all cursors; 0 for before the first.
        spurious: Which requests with a cursor get a 404 that the next one does not get.
        gaps: Which requests bring an empty page though there is more.
        fails: Which request fails for good.
        killed: With which page it is killed.
        written: Whether that page's records are out by then, and its state.
    """

    arrivals: list[Arrival]
    late: list[Arrival] = field(default_factory=list)
    start: int | None = None
    end: int | None = None
    kinds: frozenset[str] = frozenset()
    knows_unit: bool = True
    page_size: int = 2
    limit: float = math.inf
    forgets: int | None = None
    spurious: frozenset[int] = frozenset()
    gaps: frozenset[int] = frozenset()
    fails: int | None = None
    killed: int | None = None
    written: tuple[bool, bool] = (True, True)


@dataclass
class History:
    """Runs, and the API that they meet.

    Attributes:
        runs: The runs.
        unit: The API's time unit.
        ending: The last page's `nextCursor`: `cursor`, `null` or `empty`.
        lookback: Hours.
        late: How many times the lookback a record may be late: more than once where no run
            resumes by time.
    """

    runs: list[Run]
    unit: str
    ending: str
    lookback: int
    late: int = 1

    @property
    def steady(self) -> "History":
        """The same without what makes a run resume by time; records may be as late as they like."""
        runs = [replace(run, forgets=None, end=None) for run in self.runs]
        return replace(self, runs=runs, late=20)

    def mistakes(self) -> list[str]:
        """Live through the history.

        Returns:
            A line for each run that came to its end without something it had to deliver, or that
            delivered something outside of its scope.
        """
        life = _Life(self)
        with (
            mock.patch.object(export, "CONFIRM_AFTER", 0),
            mock.patch.object(times, "now", life.api.clock),
        ):
            return [line for number, run in enumerate(self.runs) for line in life.live(number, run)]


@dataclass(frozen=True)
class _Record:
    number: int
    time: int
    kind: str


@dataclass
class _Api:
    """Serves records in the order of their arrival."""

    unit: str
    ending: str
    late: int
    now: int = BEGIN
    records: list[_Record] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)

    def clock(self) -> int:
        return self.now

    def arrive(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            self.now += arrival.after
            before = int(arrival.delay * (self.late if arrival.delay > 0 else DAY))
            record = _Record(len(self.records), self.now - before, arrival.kind)
            self.records.append(record)

    def stream(self, run: Run, lookback: int) -> Any:
        """Return the stream that a run exports, with its settings."""
        asked = pages = 0
        refused: set[int] = set()

        def answer(cursor: str | None, params: Mapping[str, int]) -> Page:
            nonlocal asked, pages
            asked += 1
            self.now += 700
            if pages == run.forgets:
                self.cursors.clear()
            if asked == run.fails:
                message = "500"
                raise ApiError(message, 500)
            if cursor and asked in run.spurious and asked - 1 not in refused:
                refused.add(asked)
                message = "404"
                raise ApiError(message, 404)
            if cursor and cursor not in self.cursors:
                message = "410"
                raise ApiError(message, 410)
            page = self._page(cursor, params, run, asked)
            pages += "pageSize" not in params
            self.arrive(run.late[pages - 1 : pages])
            return replace(page, received=self.now)

        config = {
            "start_date": None if run.start is None else to_rfc3339(run.start),
            "end_date": None if run.end is None else to_rfc3339(run.end),
            "lookback_hours": lookback,
            "time_unit": self.unit if run.knows_unit else "auto",
        }
        return _Stream(answer, config, sorted(run.kinds))

    def _page(self, cursor: str | None, params: Mapping[str, int], run: Run, asked: int) -> Page:
        step = 1000 if self.unit == "seconds" else 1
        start, end = (params.get(name) for name in ("start", "end"))
        after = self.cursors[cursor] if cursor else -1
        found = [
            record
            for record in self.records[after + 1 :]
            if (start is None or record.time >= start * step)
            and (end is None or record.time < end * step)
            and (not run.kinds or record.kind in run.kinds)
        ]
        shown = found[: params.get("pageSize", run.page_size)]
        if found and asked in run.gaps:
            shown = []
        token: str | None = f"c{self.now}"
        if cursor and not found:
            token = cursor
        self.cursors[str(token)] = shown[-1].number if shown else after
        if len(shown) == len(found) and self.ending != "cursor":
            token = None if self.ending == "null" else ""
        items = [{"id": record.number, "timestamp": record.time} for record in shown]
        return Page(items, token)


class _Stream:
    """Has requests answered when they are sent, not when the page is fetched."""

    name = "events"
    replication_key = "timestamp"
    logger = _LOGGER

    def __init__(
        self,
        answer: Callable[[str | None, Mapping[str, int]], Page],
        config: dict[str, Any],
        event_types: list[str],
    ) -> None:
        self.config = config
        self.event_types = event_types
        self._answer = answer
        self._begun: tuple[str | None, Mapping[str, int], Page | ApiError] | None = None

    def prefetch(self, cursor: str | None, params: Mapping[str, int]) -> None:
        try:
            self._begun = cursor, params, self._answer(cursor, params)
        except ApiError as error:
            self._begun = cursor, params, error

    def fetch(self, cursor: str | None, params: Mapping[str, int]) -> Page:
        begun, self._begun = self._begun, None
        if begun is None or begun[:2] != (cursor, params):
            return self._answer(cursor, params)
        outcome = begun[2]
        if isinstance(outcome, ApiError):
            raise outcome
        return outcome


class _Life:
    """The stream from run to run: what was delivered, and the state."""

    def __init__(self, history: History) -> None:
        self.api = _Api(history.unit, history.ending, history.late * history.lookback * HOUR)
        self._history = history
        self._state: dict[str, Any] = {}
        self._delivered: set[int] = set()
        self._exported: list[int] = []

    def live(self, number: int, run: Run) -> list[str]:
        self.api.arrive(run.arrivals)
        wanted = {record.number for record in self.api.records if _in_scope(record, run)}
        mistakes = []
        try:
            if self._export(run) and (missing := wanted - self._delivered):
                mistakes.append(f"run {number} ended without {sorted(missing)}")
        except ApiError:
            pass
        margin = 999 if self._history.unit == "seconds" else 0
        outside = [n for n in self._exported if not _in_scope(self.api.records[n], run, margin)]
        return mistakes + [f"run {number} delivered {n} outside of its scope" for n in outside]

    def _export(self, run: Run) -> bool:
        """Export until the end, the limit or the kill; return whether it was the end."""
        end = None
        self._exported = []
        read = checked_state({"bookmarks": {"events": self._state}}, ["events"], _LOGGER)
        saved = Bookmark.of(read["bookmarks"]["events"])
        export = Export(self.api.stream(run, self._history.lookback), saved, run.limit)
        for number, page in enumerate(export.pages(), start=1):
            records, state = run.written if number == run.killed else (True, True)
            if records:
                self._exported += [item["id"] for item in page.page.items]
                self._delivered.update(self._exported)
            if records and state and page.state is not None:
                self._state = dict(page.state)
            if number == run.killed:
                return False
            end = page.end
        return end in {CAUGHT_UP, END_DATE, NOTHING_YET}


def _in_scope(record: _Record, run: Run, margin: int = 0) -> bool:
    """Tell whether a run should deliver a record; it may deliver more within a margin, in ms."""
    return (
        (run.start is None or record.time >= run.start - margin)
        and (run.end is None or record.time < run.end + margin)
        and (not run.kinds or record.kind in run.kinds)
    )


def histories() -> st.SearchStrategy[History]:
    """Draw histories."""
    arrivals = st.builds(
        Arrival,
        after=st.integers(1, 2 * HOUR),
        delay=st.sampled_from([0.0] * 6 + [0.1, 0.5, 1.0, -1.0, -30.0]),
        kind=st.sampled_from("AB"),
    )

    def bound(first: int, last: int) -> st.SearchStrategy[int | None]:
        times = st.builds(lambda h, ms: BEGIN + h * HOUR + ms, st.integers(first, last), _ODD)
        return st.none() | st.none() | times

    runs = st.builds(
        Run,
        arrivals=st.lists(arrivals, max_size=12),
        late=st.lists(arrivals, max_size=3),
        start=bound(0, 30),
        end=bound(31, 90),
        kinds=st.sampled_from([frozenset(), frozenset(), frozenset("A"), frozenset("AB")]),
        knows_unit=st.booleans(),
        page_size=st.sampled_from([1, 2, 3, 7]),
        limit=st.sampled_from([float("inf")] * 3 + [5]),
        forgets=st.none() | st.none() | st.integers(0, 3),
        spurious=st.sampled_from([frozenset(), frozenset(), frozenset({1, 3})]),
        gaps=st.sampled_from([frozenset(), frozenset({1}), frozenset({2, 3}), frozenset(range(9))]),
        fails=st.none() | st.none() | st.integers(1, 6),
        killed=st.none() | st.none() | st.integers(1, 4),
        written=st.sampled_from([(True, True), (True, False), (False, False)]),
    )
    return st.builds(
        History,
        runs=st.lists(runs, min_size=2, max_size=8),
        unit=st.sampled_from(["milliseconds", "seconds"]),
        ending=st.sampled_from(["cursor", "null", "empty"]),
        lookback=st.sampled_from([1, 24]),
    )


_ODD = st.sampled_from([0, 0, 1, 7])
"""Milliseconds that an API in seconds has to round."""


# The tests

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
