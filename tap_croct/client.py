"""HTTP: one page ahead, in limited time, with retries; and what a response means."""

import random
import ssl
import threading
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from queue import Empty, SimpleQueue
from typing import Any

import backoff
import requests
import urllib3
from backoff.types import Details
from singer_sdk import RESTStream
from typing_extensions import override

from tap_croct import errors
from tap_croct.decode import Page, decode_page
from tap_croct.errors import MAX_RETRY_AFTER, ApiError, RetriableError
from tap_croct.logs import counted, printable
from tap_croct.times import now

DEADLINE = 10
"""How many times `request_timeout` the headers may take; the body may take as long again."""

LONGEST_PAUSE = 60.0
"""Seconds between two retries at most, where the API does not ask for more."""

_RETRIABLE = (
    RetriableError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


_WHILE_READING: dict[type[Exception], type[requests.RequestException]] = {
    urllib3.exceptions.ReadTimeoutError: requests.ReadTimeout,
    urllib3.exceptions.DecodeError: requests.exceptions.ContentDecodingError,
    urllib3.exceptions.HTTPError: requests.ConnectionError,
    MemoryError: requests.ConnectionError,  # absurd lengths
    OverflowError: requests.ConnectionError,
    ValueError: requests.ConnectionError,  # odd headers
}
"""What `requests` makes of errors where it reads the body itself; the first one that fits."""


class Session(requests.Session):
    """A session that ignores where a redirect leads: it may not be a valid URL."""

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none: `requests` prepares the next request of a redirect that is not followed."""


class Exchange:
    """A request on its way, in a thread of its own.

    The timeout of `requests` is that of each of its steps: the connection, and every single read.
    A response that arrives byte by byte would never run into it. The thread is a daemon: it can be
    abandoned, with its session, if the response never ends.
    """

    received = 0
    """When the response was complete, in milliseconds since the epoch."""

    def __init__(self, session: Session, request: requests.PreparedRequest, timeout: float) -> None:
        """Send a request, without waiting for its response.

        Args:
            session: Belongs to the thread until the response is complete.
            request: The request.
            timeout: Seconds that the connection, or a read, may take.
        """
        self._timeout = timeout
        self._steps: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._receive, args=(session, request), daemon=True).start()

    def response(self) -> tuple[requests.Response, bytes]:
        """Wait for the response, with its whole body.

        Returns:
            The response, and its body: to read it once more as `content` takes a copy.

        Raises:
            requests.Timeout: If the headers, or the body, take longer than ten timeouts.
            requests.RequestException: If the request fails.
        """
        response: requests.Response = self._next_step()
        body: bytes = self._next_step()
        return response, body

    def _receive(self, session: Session, request: requests.PreparedRequest) -> None:
        try:
            response = session.send(
                request, timeout=self._timeout, allow_redirects=False, stream=True
            )
            self._steps.put(response)
            # `content` would read 10 KiB at a time, and wait for the other thread after each.
            body = response.raw.read(decode_content=True)
            response.raw = BytesIO(body)
            self.received = now()
            self._steps.put(body)
        except BaseException as error:  # noqa: BLE001 - all, to raise them where one waits
            kinds = (kind for below, kind in _WHILE_READING.items() if isinstance(error, below))
            wrapped = next((kind(request=request) for kind in kinds), error)
            if wrapped is not error:
                wrapped.__cause__ = error  # `errors` looks for what lies at the bottom
            self._steps.put(wrapped)

    def _next_step(self) -> Any:
        try:
            step = self._steps.get(timeout=DEADLINE * self._timeout)
        except Empty:
            raise requests.ReadTimeout from None
        try:
            if isinstance(step, BaseException):
                raise step
            return step
        finally:
            del step  # the traceback of an error holds this frame, and whole pages in those above


class ApiStream(RESTStream["str | None"]):
    """A stream as an endpoint of the Export API: `fetch` asks for one of its pages."""

    longest_wait: float = MAX_RETRY_AFTER
    """Seconds that the API can ask to wait before a retry; the run fails beyond it."""

    event_types: list[str] | None = None
    """The types of events to export; None for all of them, and for the other streams."""

    requests_sent = retries = 0
    """How many requests were sent, and how many of them were retries."""

    _session: Session | None = None
    _pending: Exchange | None = None

    @property
    @override
    def url_base(self) -> str:
        """Base URL, without a slash at its end."""
        return str(self.config["api_url"]).rstrip("/")

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        """Headers of every request, the key among them."""
        return {"Accept": "application/json", "X-Api-Key": self.config["api_key"]}

    @property
    @override
    def requests_session(self) -> Session:
        """A session that sends plain HTTP through no proxy."""
        if self._session is None:
            self._session = Session()
            # A proxy from the environment would get a request to `http://localhost`, key and all.
            self._session.trust_env = self.url_base.startswith("https:")
            # Prepared requests skip REQUESTS_CA_BUNDLE, unless the session has it.
            settings = self._session.merge_environment_settings(self.url_base, {}, None, None, None)
            self._session.verify = settings["verify"]
        return self._session

    def prefetch(self, cursor: str | None, params: Mapping[str, int]) -> None:
        """Send the request for a page, without waiting: `fetch` takes the response.

        Args:
            cursor: The cursor that the next `fetch` is going to be given.
            params: The parameters, likewise.
        """
        self._pending = self._send(cursor, params)

    def fetch(self, cursor: str | None, params: Mapping[str, int]) -> Page:
        """Fetch a page, with retries.

        Args:
            cursor: Where to resume; None for the beginning of the window.
            params: The window, and whatever else should differ from the usual request.

        Raises:
            ApiError: If the API rejects the request, or never answers.
            RecursionError: If the page is nested too deeply to be decoded.
        """
        sent = 0

        def attempt() -> Page:
            nonlocal sent
            sent += 1
            self.requests_sent += 1
            exchange, self._pending = self._pending or self._send(cursor, params), None
            try:
                response, body = exchange.response()
            except requests.Timeout:
                self.close()  # its thread may still hold the session
                raise
            if response.status_code < HTTPStatus.OK:
                self.close()  # the real answer would be taken for that to the next request
            errors.check(response, self.longest_wait)
            return self._page(response, body, exchange.received)

        retrying = backoff.on_exception(
            backoff.runtime,
            _RETRIABLE,
            value=lambda error: _pause(sent, error),
            max_tries=self.config["max_retries"] + 1,
            giveup=lambda error: errors.is_caused_by(error, ssl.SSLCertVerificationError),
            on_backoff=self._log_retry,
            jitter=None,
            logger=None,
        )
        try:
            page: Page = retrying(attempt)()
        except (RetriableError, requests.RequestException) as error:
            tried = f" (after {counted(sent - 1, 'retry')})" if sent > 1 else ""
            proxy = isinstance(error, requests.exceptions.ProxyError)
            way = "the proxy that `HTTPS_PROXY` or `ALL_PROXY` names" if proxy else "the network"
            advice = "" if isinstance(error, RetriableError) else f". Check `api_url` and {way}"
            message = f"{self._describe(error)}{tried}{advice}"
            raise ApiError(message, getattr(error, "status", None)) from error
        return page

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._session is not None:
            self._session.close()
        self._session = self._pending = None

    def _send(self, cursor: str | None, params: Mapping[str, int]) -> Exchange:
        own = {
            "pageSize": self.config["page_size"],
            "cursor": cursor,
            "events": self.event_types,
        }
        prepared = self.build_prepared_request(
            "GET", self.get_url(None), params={**own, **params}, headers=self.http_headers
        )
        return Exchange(self.requests_session, prepared, float(self.config["request_timeout"]))

    def _log_retry(self, details: Details) -> None:
        self.retries += 1
        self.logger.warning(
            "%s: %s; retry %d of %d in %.1f s",
            self.name,
            self._describe(details["exception"]),
            details["tries"],
            self.config["max_retries"],
            details["wait"],
        )

    def _describe(self, error: Exception) -> str:
        return errors.describe(error, errors.host(self.url_base))

    def _page(self, response: requests.Response, body: bytes, received: int) -> Page:
        """Decode a response.

        Raises:
            RetriableError: If the body of a 200 is not JSON: cut short, or a gateway's page.
            ApiError: If it is JSON, but not a page.
            RecursionError: If it is nested too deeply.
        """
        try:
            replace_nul = self.config["replace_nul_characters"]
            return decode_page(body, replace_nul=replace_nul, received=received)
        except TypeError as error:
            reason = f"The response is not a page of records: {printable(error)}"
            raise errors.fatal_error(response, reason) from error
        except ValueError as error:
            parts = (errors.problem(response), errors.not_json(response, error), errors.NOT_THE_API)
            raise RetriableError(". ".join(parts)) from error


def _pause(sent: int, error: Exception) -> float:
    """Return the seconds to wait: what the API asks for, else growing and jittered ones.

    No wait after the first failure if the connection was closed: an open one that is used again
    may be closed just then.
    """
    if asked := getattr(error, "retry_after", None):
        return float(asked)
    if sent == 1 and errors.is_caused_by(error, ConnectionResetError, BrokenPipeError):
        return 0.0
    return min(2.0 ** min(sent - 1, 10), LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
