"""What a run logs: where each stream resumes, how far it is, and what it came to."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from tap_croct import times

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator

    from tap_croct.export import ExportedPage
    from tap_croct.resume import Resume

LIMIT_REACHED = "max_records"
"""Why a stream ended that has more to export."""


class _Reached(msgspec.Struct, frozen=True):
    """How far a stream is: replaced as a whole, because the thread that tells reads it, too."""

    pages: int = 0
    records: int = 0
    latest: int | None = None
    waiting_since: float | None = None


class Progress:
    """Says every ten seconds how far a stream is, and in the end why it ended.

    The lines come from a thread of their own, so that they also come while the tap waits.
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
        self._reached = _Reached()
        self.requests = 0
        """Requests that were answered in the end, retries included."""

        self.retries = 0
        """How many of them were retries."""

        self.reason = ""
        """Why the stream ended."""

        self._started = time.monotonic()

    @property
    def records(self) -> int:
        """Records exported so far."""
        return self._reached.records

    def starts(self, start: Resume) -> None:
        """Take note of where the stream resumes: with both ends known, there is a percentage.

        Args:
            start: Where it resumes.
        """
        window, now = start.window, int(time.time() * 1000)
        begin = window.start if start.cursor is None or start.latest is None else start.latest
        if begin is not None and window.end is not None and begin < min(window.end, now):
            self._span = (begin, min(window.end, now))
        self._reached = _Reached(waiting_since=time.monotonic())

    def writes(self) -> None:
        """Take note that a page has arrived, and is being written."""
        self._reached = msgspec.structs.replace(self._reached, waiting_since=None)

    def page(self, page: ExportedPage, records: int) -> None:
        """Count a page that is written, an empty one, too; the stream waits for the next one now.

        Args:
            page: The page.
            records: Number of records in it.
        """
        reached = self._reached
        self._reached = _Reached(
            reached.pages + 1, reached.records + records, page.latest, time.monotonic()
        )
        self.requests += page.requests
        self.retries += page.retries
        self.reason = page.end or self.reason

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say how far the stream is, and in the end what it came to, also when it is stopped."""
        ended = threading.Event()
        teller = threading.Thread(target=self._tell, args=[ended], daemon=True)
        teller.start()
        try:
            yield
        except BaseException:
            ended.set()
            self._logger.info("%s: stopped: %s", self._stream, _text(self._reached))
            raise
        ended.set()
        teller.join()
        seconds = time.monotonic() - self._started
        text = _text(self._reached, self.records / max(seconds, 0.001))
        self._logger.info("%s: done (%s): %s, in %.1f s", self._stream, self.reason, text, seconds)

    def _tell(self, ended: threading.Event) -> None:
        """Say how far the stream is, until it ends."""
        before, said = self._reached, time.monotonic()
        while not ended.wait(self.interval):
            reached, now = self._reached, time.monotonic()
            if reached.waiting_since is not None and reached.pages == before.pages:
                waited = now - reached.waiting_since
                text = f"waiting for the API for {waited:.0f} s; {_text(reached)}"
            else:
                rate = (reached.records - before.records) / (now - said)
                text = f"{_text(reached, rate)}{self._left(reached.latest)}"
            self._logger.info("%s: %s", self._stream, text)
            before, said = reached, now

    def _left(self, latest: int | None) -> str:
        """Return how much of the window is done, and how long the rest will take."""
        if self._span is None or latest is None:
            return ""
        begin, end = self._span
        done = min(max((latest - begin) / (end - begin), 0.0), 1.0)
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


def _text(reached: _Reached, rate: float | None = None) -> str:
    speed = "" if rate is None else f", {rate:,.0f}/s"
    latest = "" if reached.latest is None else f", up to {times.to_rfc3339(reached.latest)[:16]}Z"
    records, pages = _count(reached.records, "record"), _count(reached.pages, "page")
    return f"{records} in {pages}{speed}{latest}"


def _verb(start: Resume) -> str:
    return "starts" if start.anew else "resumes"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
