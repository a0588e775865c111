"""What went wrong at the API, as a person reads it."""

from __future__ import annotations

import email.utils
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from requests.exceptions import SSLError, Timeout
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError, SingerSDKError

if TYPE_CHECKING:
    import requests

MAX_RETRY_AFTER = 600
"""The longest pause that the API can ask for, in seconds; the run fails beyond it."""

_ADVICE = {
    202: "The service is suspended for this account: ask the account's owner or Croct",
    400: "Check `start_date`, `end_date`, `event_types` and `page_size`",
    401: "Check `api_key`",
    403: "Check what `api_key` is allowed to do, and the quota of the account",
    404: "Check `api_url`",
    423: "The application's monthly quota is used up: wait for the next month or raise it",
}
_REPORT = "Please report this if it stays"


class InputError(SingerSDKError):
    """Something that the tap was given cannot be used."""


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


class CursorRejectedError(ApiError):
    """The API no longer accepts the cursor that it once gave."""


class UnreadableError(ApiError):
    """A page or a record that no decoder can read."""


class RetriableError(RetriableAPIError):
    """An answer of the API that the next request may not get."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Create an error.

        Args:
            message: What failed.
            retry_after: Seconds to wait, if the API said so.
        """
        super().__init__(message)
        self.retry_after = retry_after


def final_error(response: requests.Response, body: bytes, reason: str = "") -> ApiError:
    """Say what is wrong with a response, and what to do.

    Args:
        response: A response that there is no use in asking for again.
        body: Its body.
        reason: What is wrong with it, where the status does not say.
    """
    status = response.status_code
    if response.is_redirect or 300 <= status < 400:  # noqa: PLR2004
        advice = (
            "Redirects are not followed, because the key would go with them. Check `api_url`: "
            f"the API points to {response.headers.get('Location', 'nowhere')}"
        )
    else:
        advice = _ADVICE.get(status, _REPORT)
    parts = [problem(response, body), reason, advice]
    return ApiError(". ".join(part for part in parts if part), status)


def problem(response: requests.Response, body: bytes) -> str:
    """Describe a response by its status and its problem details (RFC 9457), on one line.

    The API sends `title`, `type` (a link that explains the error) and, depending on the version
    of the endpoint, `detail` or `details`.

    Args:
        response: The response.
        body: Its body, whatever it is.
    """
    head = f"{response.status_code} {response.reason or ''}".strip()
    try:
        details = json.loads(body)
    except (ValueError, RecursionError):
        return head
    if not isinstance(details, dict):
        return head
    texts = [details.get("title"), details.get("detail") or details.get("details")]
    said = ": ".join(" ".join(str(text).split())[:500] for text in texts if text)
    link = f" ({details['type']})" if details.get("type") else ""
    return f"{head}, {said}{link}" if said else f"{head}{link}"


def retry_after(response: requests.Response) -> float | None:
    """Read how long the API asks to wait.

    Args:
        response: A response that may carry `Retry-After`, in seconds or as an HTTP date.

    Returns:
        Seconds, counted from the response's own `Date` if it has one; None if nothing that can
        be understood was said.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(response.headers.get("Date", "")) or datetime.now(timezone.utc)
    return max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def describe(error: Exception) -> str:
    """Say in a few words why a request failed.

    Args:
        error: An exception of `requests` or a `RetriableError`.
    """
    if isinstance(error, RetriableAPIError):
        return str(error)
    if isinstance(error, Timeout):
        return "no answer in time"
    if isinstance(error, SSLError):
        return f"no secure connection: {_root(error)}"
    return f"the connection failed: {_root(error)}"


def _root(error: BaseException) -> str:
    """Return the text of the exception at the bottom: the wrappers only repeat the URL."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
