"""What the log of a long export tells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


class Progress:
    """Says every ten seconds how far a stream is, and in the end why it ended."""

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
        self._pages = 0
        self._records = 0
        self._started = self._said = time.monotonic()
        self._records_said = 0
        self._reached = ""

    def page(self, records: int, reached: str | None) -> None:
        """Count a page that is out.

        Args:
            records: Number of records in it.
            reached: The latest time exported so far (RFC 3339), None if there is none.
        """
        self._pages += bool(records)  # an empty page only says that it is the end
        self._records += records
        self._reached = f", up to {reached[:16]}Z" if reached else ""
        now = time.monotonic()
        if now - self._said >= self.interval:
            rate = (self._records - self._records_said) / (now - self._said)
            self._logger.info("%s: %s", self._stream, self._text(rate))
            self._said = now
            self._records_said = self._records

    def end(self, reason: str) -> None:
        """Say what the whole stream came to.

        Args:
            reason: Why the stream ended.
        """
        seconds = time.monotonic() - self._started
        text = self._text(self._records / max(seconds, 0.001))
        self._logger.info("%s: done (%s): %s, in %.1f s", self._stream, reason, text, seconds)

    def _text(self, rate: float) -> str:
        pages = f"{self._pages:,} page{'' if self._pages == 1 else 's'}"
        return f"{self._records:,} records in {pages}, {rate:,.0f}/s{self._reached}"
