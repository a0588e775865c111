"""Retries: which failures are worth one, and how long to wait before it."""

from __future__ import annotations

import abc
import itertools
import random
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from singer_sdk import RESTStream

from tap_croct.errors import RetriableError, describe, host, is_certificate_error, is_closed

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from backoff.types import Details

_Result = TypeVar("_Result")
_LONGEST_PAUSE = 60.0  # seconds, where the API does not ask for more
_RETRIABLE = (RetriableError, requests.ConnectionError, requests.Timeout)


class RetryingStream(RESTStream["str | None"], abc.ABC):
    """A stream whose requests are retried, with a line in the log for each retry."""

    @property
    def host(self) -> str:
        """The host that is asked, as it is named in messages."""
        return host(self.url_base)

    @override
    def request_decorator(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Retry a request: as the SDK does, but with one line a retry and no jitter twice."""
        import backoff  # noqa: PLC0415 - brings asyncio: a 25th of the time of a start

        return backoff.on_exception(
            self.backoff_wait_generator,
            _RETRIABLE,
            max_tries=self.backoff_max_tries,
            giveup=is_certificate_error,
            on_backoff=self.backoff_handler,
            jitter=None,
            logger=None,
        )(func)

    @override
    def backoff_max_tries(self) -> int:
        """Return how often a request is sent at most."""
        return int(self.config["max_retries"]) + 1

    @override
    def backoff_wait_generator(self) -> Generator[float, Any, None]:
        """Yield pauses in seconds: what the API asks for, else growing and jittered ones.

        None after the first failure if the connection was closed: an open one that is used again
        may be closed at that very moment.
        """
        error = yield 0.0
        for attempt in itertools.count():
            pause = min(2.0 ** min(attempt, 10), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311
            if attempt == 0 and is_closed(error):
                pause = 0.0
            error = yield getattr(error, "retry_after", None) or pause

    @override
    def backoff_handler(self, details: Details) -> None:
        """Log a retry."""
        self.logger.warning(
            "%s: %s; retry %d of %d in %.1f s",
            self.name,
            describe(details["exception"], self.host),
            details["tries"],
            self.config["max_retries"],
            details["wait"],
        )

    def retried(self, send: Callable[[], _Result]) -> _Result:
        """Send a request, and again where that helps.

        Most requests succeed at once, so the decorator is made after a failure only. What it
        decorates fails first as the request did: that counts as the first try.

        Args:
            send: Sends the request, and returns what comes of it.

        Raises:
            RetriableError: If the API did not answer as it should after all retries.
            requests.RequestException: If it did not answer at all.
        """
        try:
            return send()
        except _RETRIABLE as error:
            failed = [error]

        def fail_first() -> _Result:
            if failed:
                raise failed.pop()
            return send()

        result: _Result = self.request_decorator(fail_first)()
        return result
