"""Errors: what went wrong, and what to do about it."""

import traceback
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException
from urllib.parse import parse_qs, urlsplit

import requests
from requests.exceptions import ContentDecodingError, ProxyError, SSLError, Timeout
from singer_sdk.exceptions import (
    ConfigValidationError,
    FatalAPIError,
    RetriableAPIError,
    SingerSDKError,
)

from tap_croct.decode import problem_details, retry_after
from tap_croct.logs import printable, redacted

MAX_RETRY_AFTER = 600
"""The longest pause in seconds that the API can ask for; beyond it, the run fails."""

NOT_THE_API = "If this persists, check `api_url` and proxies"
"""What to do about an answer that may not be the API's."""

_REPORT = "Please report this if it happens again"
_BILLING = "Settle it in the billing settings of the workspace"
_ADVICE = {
    200: "Check `api_url` and proxies. Please report this if they are right",
    202: "The service is suspended for this account: ask the account's owner or Croct",
    400: "Check `start_date`, `end_date`, `event_types` and `page_size`",
    401: "Check `api_key`",
    402: _BILLING,
    403: "Check what `api_key` is allowed to do, and the quota of the account",
    404: "Check `api_url`",
    423: "The application's monthly quota is used up: wait for the next month or raise it",
}
_ADVICE_BY_TYPE = {
    "unknown-api-key": "Croct does not know `api_key`: it was revoked, or never existed",
    "invalid-api-key": "`api_key` is not a version 4 UUID: copy it once more",
    "past-due-subscription": f"An invoice is overdue. {_BILLING}",
    "quota-exceeded": f"The application's monthly active users are used up. {_BILLING}",
}
"""By the last part of a problem's `type`."""

_NO_TLS = ("WRONG_VERSION_NUMBER", "wrong version number", "record layer failure")


class InputError(SingerSDKError):
    """Something that the tap was given cannot be used."""


class OutputError(SingerSDKError):
    """The output cannot be written."""


class ApiError(FatalAPIError):
    """An answer of the API that ends the stream."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Create an error.

        Args:
            message: All that a person should read.
            status: Status of the response, if there was one.
        """
        super().__init__(message)
        self.status = status


class RetriableError(RetriableAPIError):
    """A failure that a retry may overcome."""

    def __init__(
        self, message: str, retry_after: float | None = None, status: int | None = None
    ) -> None:
        """Create an error.

        Args:
            message: What failed.
            retry_after: Seconds to wait, if the API said so.
            status: Status of the response, if the API itself rejected the request.
        """
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


def fatal_error(response: requests.Response, reason: str = "") -> ApiError:
    """Say what is wrong with a response, and what to do about it.

    Args:
        response: A response that would be the same if the request were sent again.
        reason: What is wrong with it, where the status does not say.

    Returns:
        The error to raise.
    """
    parts = [problem(response), reason, _advice(response)]
    return ApiError(". ".join(part for part in parts if part), response.status_code)


def _advice(response: requests.Response) -> str:
    status, headers = response.status_code, response.headers
    redirects = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    if redirects and "Location" in headers:
        return (
            "Redirects are not followed, because the key would go with them. Check `api_url`: "
            f"{host(response.url)} points to {printable(headers['Location'])}"
        )
    if status == HTTPStatus.ACCEPTED and (reason := headers.get("X-Suspension-Reason")):
        return f"{_ADVICE[status]}. The reason: {printable(reason)}"
    kind = str(problem_details(response.content).get("type")).rpartition("/")[2]
    if kind in _ADVICE_BY_TYPE:
        return _ADVICE_BY_TYPE[kind]
    if status == HTTPStatus.BAD_REQUEST and "cursor" in parse_qs(urlsplit(response.url).query):
        return "The request continued from a cursor, which may be what is rejected"
    return _ADVICE.get(status, _ADVICE[HTTPStatus.OK] if response.ok else _REPORT)


def check(response: requests.Response, longest_wait: float) -> None:
    """Tell what to retry from what is fatal.

    Args:
        response: A response, with its body.
        longest_wait: Seconds that the API can ask to wait before a retry.

    Raises:
        RetriableError: For 408, 429 and all 5xx, for 4xx with a `Retry-After`, and for every 4xx
            that is not a problem of the API: some gateway on the way gave it.
        ApiError: For everything else but 200.
    """
    status = response.status_code
    if status == HTTPStatus.OK:  # no other one brings a page: 202 is a suspended service
        return
    wait = retry_after(response.headers)  # with it, even a problem of the API is retried
    from_api = not problem_details(response.content).keys().isdisjoint(("title", "type"))
    client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    final = from_api and client_error and status not in {408, 429}
    if HTTPStatus.OK <= status < HTTPStatus.BAD_REQUEST or (final and wait is None):
        raise fatal_error(response)
    # What to do if it was the API after all.
    other = NOT_THE_API if client_error and status not in {408, 429} else ""
    advice = _advice(response) if final else _ADVICE.get(status, other)
    asked = ""
    if wait is not None and wait > longest_wait:
        asked = f"The API asks to wait {wait:,.0f} s, more than {longest_wait} s: run again later"
    message = ". ".join(part for part in (problem(response), asked, advice) if part)
    if asked:
        raise ApiError(message)  # without its status: a 404 for a while does not reject a cursor
    raise RetriableError(message, wait, status if final else None)


def not_json(response: requests.Response, error: ValueError) -> str:
    """Say why the body of a response is not JSON.

    Args:
        response: The response.
        error: What the decoder said.
    """
    size = len(response.content)
    if not size:
        return "It has no body"
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        return f"The body is encoded as {printable(encoding)}, which cannot be decoded"
    return f"The body of {size:,} bytes is not valid JSON ({printable(error)})"


def problem(response: requests.Response) -> str:
    """Describe a response by its status and its problem details (RFC 9457), on one line.

    The API sends `title`, `type` (a link that explains the error) and, depending on the version
    of the endpoint, `detail` or `details`.

    Args:
        response: The response; its body may be anything.

    Returns:
        A text that is safe to log.
    """
    head = printable(f"{response.status_code} {response.reason or ''}".strip())
    if response.status_code == HTTPStatus.NOT_FOUND:  # of another server, probably
        head = f"{head} at {printable(response.url.partition('?')[0])}"
    # The body of a success (202 aside) may be a record.
    is_record = response.ok and response.status_code != HTTPStatus.ACCEPTED
    details = {} if is_record else problem_details(response.content)
    title = details.get("title")
    texts = [
        None if title == response.reason else title,  # once is enough
        details.get("detail") or details.get("details"),
    ]
    said = ": ".join(_one_line(text) for text in texts if text)
    link = f" ({printable(details['type'])})" if details.get("type") else ""
    return f"{head}, {said}{link}" if said else f"{head}{link}"


def _one_line(value: object) -> str:
    return printable(" ".join(redacted(value).split()) if isinstance(value, str) else value)


def explain(error: Exception) -> list[str]:
    """Say what ended a run.

    Args:
        error: Whatever was raised.

    Returns:
        A line for each mistake, safe to log: of an unexpected error its kind alone, unless it is
        the system's.
    """
    if isinstance(error, ConfigValidationError):
        return list(error.errors)
    if isinstance(error, (FatalAPIError, InputError, OutputError)):
        return [str(line) for line in error.args]
    if isinstance(error, SingerSDKError):  # of a stream map, mostly
        return [printable(f"{error} {error.__cause__ or ''}".strip())]
    hint = "with TAP_CROCT_LOGLEVEL=DEBUG, the log says where from"
    # Whatever it is, its text may quote a record; that of the system does not.
    text = f": {printable(error)}" if isinstance(error, OSError | ImportError) else ""
    return [f"{type(error).__name__}{text} ({hint})"]


def trace(error: Exception) -> str:
    """Say where an error comes from, without the texts of exceptions: they may quote a record.

    Args:
        error: Whatever was raised.

    Returns:
        Lines as Python's traceback has them, for the error and each of its causes.
    """
    parts = [
        "Traceback (most recent call last):\n"
        f"{''.join(traceback.format_tb(cause.__traceback__))}{type(cause).__name__}\n"
        for cause in _causes(error)
    ]
    return "".join(parts)


def host(url: str) -> str:
    """Return the host of a URL, with its port if it names one, for a message.

    Args:
        url: Such as `https://api.croct.io/export/events`.
    """
    return printable(urlsplit(url).netloc)


def describe(error: Exception, asked: str) -> str:
    """Say in a few words why a request failed.

    Args:
        error: An exception of `requests` or a `RetriableError`.
        asked: The host that was asked.

    Returns:
        A text that is safe to log.
    """
    if isinstance(error, RetriableAPIError):
        return str(error)
    if isinstance(error, Timeout):
        return f"no answer from {asked} in time"
    if isinstance(error, ContentDecodingError):
        return f"the answer of {asked} cannot be decoded: {_root(error)}"
    if isinstance(error, SSLError):
        reason = _root(error)
        if any(sign in reason for sign in _NO_TLS):
            hint = "Perhaps `api_url` has the wrong port, or should start with `http://`"
            reason = f"it answers without TLS ({reason}). {hint}"
        return f"no secure connection to {asked}: {reason}"
    way = " through the proxy of the environment" if isinstance(error, ProxyError) else ""
    return f"the connection to {asked}{way} failed: {_root(error)}"


def is_caused_by(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Tell whether an error of one of some kinds is at the bottom of another one.

    Args:
        error: What `requests` raised.
        kinds: The kinds.
    """
    return any(isinstance(cause, kinds) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _root(error: BaseException) -> str:
    """Return the text of the exception at the bottom: the wrappers only repeat the URL."""
    for cause in _causes(error):
        if isinstance(cause, HTTPException):  # what came is in its text, or in that of its cause
            return type(cause).__name__
        root = cause
    return printable(getattr(root, "strerror", None) or str(root) or type(root).__name__)
