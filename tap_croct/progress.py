"""What a run logs: where each stream resumes, how far it is, and what it came to."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tap_croct import times

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator

    from tap_croct.export import ExportedPage
    from tap_croct.resume import Resume

LIMIT_REACHED = "max_records"
"""Why a stream ended that has more to export."""


class Progress:
    """Says every ten seconds how far a stream is, and in the end why it ended.

    It is used by the thread that writes, and by no other.
    """

    interval = 10.0
    """Seconds between two lines."""

    def __init__(self, stream: str, logger: logging.Logger) -> None:
        """Start the clock.

        Args:
            stream: Name of the stream.
            logger: Where the lines go, at level INFO.
        """
        self._stream = stream
        self._logger = logger
        self._span: tuple[int, int] | None = None
        self._pages = 0
        self.records = 0
        """Records exported so far."""

        self.requests = 0
        """Requests that were answered in the end, retries included."""

        self.retries = 0
        """How many of them were retries."""

        self.reason = ""
        """Why the stream ended."""

        self._latest: int | None = None
        self._started = self._said = time.monotonic()
        self._records_said = self._pages_said = 0
        self._waiting_since: float | None = None

    def starts(self, start: Resume) -> None:
        """Take note of where the stream resumes: with both ends known, there is a percentage.

        Args:
            start: Where it resumes.
        """
        window, now = start.window, int(time.time() * 1000)
        begin = window.start if start.cursor is None or start.latest is None else start.latest
        if begin is not None and window.end is not None and begin < min(window.end, now):
            self._span = (begin, min(window.end, now))

    def tick(self) -> float:
        """Say how far the stream is while it waits for a page, if it is time for a line.

        Returns:
            Seconds until it will be.
        """
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        self._say_if_due()
        return max(self._said + self.interval - time.monotonic(), 0.01)

    def page(self, page: ExportedPage, records: int) -> None:
        """Count a page that is written, an empty one, too.

        Args:
            page: The page.
            records: Number of records in it.
        """
        self._waiting_since = None
        self._pages += 1
        self.records += records
        self.requests += page.requests
        self.retries += page.retries
        self._latest = page.latest
        self.reason = page.end or self.reason
        self._say_if_due()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say in the end what the stream came to, also when an error or a signal ends it."""
        try:
            yield
        except BaseException:
            self._logger.info("%s: stopped: %s", self._stream, self._text())
            raise
        seconds = time.monotonic() - self._started
        rate = self.records / max(seconds, 0.001)
        text = self._text(rate)
        self._logger.info("%s: done (%s): %s, in %.1f s", self._stream, self.reason, text, seconds)

    def _say_if_due(self) -> None:
        now = time.monotonic()
        elapsed = now - self._said
        if elapsed < self.interval:
            return
        if self._waiting_since is not None and self._pages == self._pages_said:
            text = f"waiting for the API for {now - self._waiting_since:.0f} s; {self._text()}"
        else:
            rate = (self.records - self._records_said) / elapsed
            text = f"{self._text(rate)}{self._left()}"
        self._logger.info("%s: %s", self._stream, text)
        self._said, self._pages_said, self._records_said = now, self._pages, self.records

    def _text(self, rate: float | None = None) -> str:
        speed = "" if rate is None else f", {rate:,.0f}/s"
        reached = "" if self._latest is None else f", up to {times.to_rfc3339(self._latest)[:16]}Z"
        records, pages = _count(self.records, "record"), _count(self._pages, "page")
        return f"{records} in {pages}{speed}{reached}"

    def _left(self) -> str:
        """Return how much of the window is done, and how long the rest will take."""
        if self._span is None or self._latest is None:
            return ""
        begin, end = self._span
        done = min(max((self._latest - begin) / (end - begin), 0.0), 1.0)
        if not done:
            return ""
        seconds = (time.monotonic() - self._started) * (1 - done) / done
        return f", {done:.0%}, {_duration(seconds)} left"


class Run:
    """The streams of a run, and one line about all of them."""

    def __init__(self, logger: logging.Logger) -> None:
        """Start the clock.

        Args:
            logger: Where the lines go, at level INFO.
        """
        self._logger = logger
        self._streams: dict[str, Progress] = {}
        self._started = time.monotonic()
        self._announced = self._ended = False

    def announce(self, starts: Iterable[tuple[str, Resume]]) -> None:
        """Say where each stream resumes, once.

        Args:
            starts: The name of each stream, and where it resumes.
        """
        if self._announced:
            return
        self._announced = True
        for stream, start in starts:
            if start.warning:
                self._logger.warning(
                    "%s: %s: exporting %s, once", stream, start.warning, start.text
                )
            self._logger.info("%s: %s %s", stream, _verb(start), start.text)

    def stream(self, name: str) -> Progress:
        """Begin with a stream.

        Args:
            name: Its name.
        """
        self._streams[name] = Progress(name, self._logger)
        return self._streams[name]

    def end(self) -> None:
        """Say what the run came to, once."""
        if self._ended or not self._streams:
            return
        self._ended = True
        streams = self._streams.values()
        records, requests, retries = (
            sum(getattr(stream, name) for stream in streams)
            for name in ("records", "requests", "retries")
        )
        left = [n for n, stream in self._streams.items() if stream.reason == LIMIT_REACHED]
        rest = f"left for the next run (max_records): {', '.join(left)}" if left else "nothing left"
        self._logger.info(
            "Done: %s, %s, %s, %s, %.1f s; %s",
            _count(len(streams), "stream"),
            _count(records, "record"),
            _count(requests, "request"),
            _count(retries, "retry", "retries"),
            time.monotonic() - self._started,
            rest,
        )


def _verb(start: Resume) -> str:
    return "starts" if start.anew else "resumes"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
