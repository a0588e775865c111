"""HTTP: how a page is asked for, and what an answer means."""

from __future__ import annotations

import abc
import sys
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.streams.rest import PageContext

from tap_croct.decode import decode_page
from tap_croct.errors import (
    MAX_RETRY_AFTER,
    ApiError,
    RetriableError,
    UnreadableError,
    describe,
    final_error,
    is_problem,
    problem,
    retry_after,
)
from tap_croct.pagination import Fetched
from tap_croct.retrying import RetryingStream
from tap_croct.session import Session
from tap_croct.text import printable

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.helpers.types import Context

    from tap_croct.decode import Page


class ApiStream(RetryingStream, abc.ABC):
    """A stream as an endpoint of the Export API: `fetch` asks for one of its pages."""

    allow_redirects = False  # the key would go with them
    _LOG_REQUEST_METRICS = False  # a line a page; `Progress` says it every ten seconds instead

    _prefetched: tuple[str | None, Mapping[str, int], requests.PreparedRequest] | None = None
    """The page that `prefetch` asked for, and its request."""

    _request_of_all: requests.PreparedRequest | None = None
    """What all requests share: preparing each from nothing takes three times as long."""

    longest_wait: float = MAX_RETRY_AFTER
    """Seconds that the API can ask to wait before a retry; the run fails beyond it."""

    @classmethod
    def own_keys(cls) -> tuple[str, str]:
        """Return the primary key and the replication key, whatever a catalog says."""
        return cls.primary_keys[0], str(cls.replication_key)  # type: ignore[index]

    # Requests

    @property
    @override
    def url_base(self) -> str:
        """Base URL, without a slash at its end."""
        return str(self.config["api_url"]).rstrip("/")

    @property
    @override
    def authenticator(self) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        """Sends the key as `X-Api-Key`; the SDK's own class would rebuild the URL, too."""
        return self._authenticate

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Api-Key"] = self.config["api_key"]
        return request

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        """Headers of every request, besides the key."""
        return {"Accept": "application/json"}

    @cached_property
    @override
    def user_agent(self) -> str:
        """The setting `user_agent`, or the tap's name and version."""
        return self.config.get("user_agent") or f"tap-croct/{self._tap.plugin_version}"

    @property
    @override
    def timeout(self) -> float:  # type: ignore[override]
        """Seconds to wait for an answer."""
        return float(self.config["request_timeout"])

    @cached_property
    @override
    def requests_session(self) -> Session:
        """A session with deadlines, which sends plain HTTP through no proxy."""
        session = Session()
        # A proxy from the environment would get a request to `http://localhost`, key and all.
        session.trust_env = self.url_base.startswith("https:")
        # Set per session, because the SDK sends in a way that skips REQUESTS_CA_BUNDLE.
        settings = session.merge_environment_settings(self.url_base, {}, None, None, None)
        session.verify = settings["verify"]
        return session

    @override
    def get_url_params(
        self, context: Context | None, next_page_token: str | None
    ) -> dict[str, Any]:
        """Return the parameters that every request for a page has, besides the window."""
        return {"pageSize": self.config["page_size"], "cursor": next_page_token}

    def prefetch(self, cursor: str | None, params: Mapping[str, int]) -> None:
        """Send the request for a page, without waiting: `fetch` takes the response.

        Args:
            cursor: As `fetch` will be given it.
            params: Likewise.
        """
        prepared = self._prepared(cursor, params)
        self._prefetched = cursor, params, prepared
        self.requests_session.begin(
            prepared, timeout=self.timeout, allow_redirects=self.allow_redirects
        )

    def fetch(self, cursor: str | None, params: Mapping[str, int]) -> Fetched:
        """Fetch a page, with retries.

        Args:
            cursor: Where to resume; None for the beginning of the window.
            params: The window, and whatever else should differ from the usual request.

        Raises:
            UnreadableError: If the page cannot be decoded.
            ApiError: If the API refuses, or did not answer after all retries.
        """
        if self._prefetched is not None and self._prefetched[:2] == (cursor, params):
            prepared = self._prefetched[2]
        else:
            prepared = self._prepared(cursor, params)
        self._prefetched = None
        sent = 0

        def send() -> Page:
            nonlocal sent
            sent += 1
            return self._parse(self._request(prepared, None))

        try:
            page = self.retried(send)
        except FatalAPIError:
            raise
        except (RetriableError, requests.RequestException) as error:
            retries = "1 retry" if sent == 2 else f"{sent - 1} retries"  # noqa: PLR2004
            tried = f" (after {retries})" if sent > 1 else ""
            message = (
                f"{describe(error, self.host)}{tried}. Check `api_url` and the network, "
                "or run again: the export resumes where it stopped"
            )
            raise ApiError(message) from error
        return Fetched(page, sent, self.requests_session.received)

    def _prepared(self, cursor: str | None, params: Mapping[str, int]) -> requests.PreparedRequest:
        request = self.get_http_request(page=PageContext(None, cursor))
        request.params.update(params)
        if self._request_of_all is None:
            self._request_of_all = self.build_prepared_request(
                method=request.method, url=request.url, headers=request.headers
            )
        prepared = self._request_of_all.copy()
        prepared.url = f"{prepared.url}?{request.encode_params()}"
        if self.requests_session.cookies:
            prepared.prepare_cookies(self.requests_session.cookies)
        return prepared

    # Responses

    @override
    def validate_response(self, response: requests.Response) -> None:
        """Tell what to retry from what is fatal.

        Raises:
            RetriableError: For 408, 429 and all 5xx, and for every 4xx that is not a problem of
                the API: some gateway on the way gave it.
            ApiError: For everything else but success.
        """
        status = response.status_code
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        gateway = status >= HTTPStatus.BAD_REQUEST and not is_problem(response.content)
        if gateway or status in {408, 429} or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = retry_after(response)
            what = problem(response)
            if wait is None or wait <= self.longest_wait:
                raise RetriableError(what, wait)
            message = (
                f"{what}. The API asks to wait {wait:,.0f} s, "
                f"more than {self.longest_wait} s: run again later"
            )
            raise ApiError(message, status)
        raise final_error(response)

    def _parse(self, response: requests.Response) -> Page:
        """Decode a response.

        Raises:
            RetriableError: If the body of a 200 is not JSON: cut short, or a gateway's page.
            UnreadableError: If it is nested too deeply.
            ApiError: If it is not a page. Success without items is an error.
        """
        body = response.content
        try:
            return decode_page(body, replace_nul=self.config["replace_nul_characters"])
        except TypeError as error:
            reason = f"The response is not a page of records: {printable(error)}"
            raise final_error(response, reason) from error
        except RecursionError as error:
            message = "a record is nested too deeply to be read. Please report this to Croct"
            raise UnreadableError(message, response.status_code) from error
        except ValueError as error:
            reason = f"The body of {len(body):,} bytes is not valid JSON ({printable(error)})"
            if response.status_code != HTTPStatus.OK:
                raise final_error(response, reason) from error
            msg = f"{problem(response)}. {reason}"
            raise RetriableError(msg) from error
