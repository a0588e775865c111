"""The Export API as a stream: requests, responses, retries, the page loop, the bookmark."""

from __future__ import annotations

import abc
import contextlib
import itertools
import math
import random
import sys
from datetime import datetime, timezone
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import backoff
import msgspec
import requests
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, SSLError
from singer_sdk import RESTStream
from singer_sdk.batch import Batcher
from singer_sdk.exceptions import FatalAPIError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams.rest import PageContext

from tap_croct import times
from tap_croct.decoding import clean, decoder
from tap_croct.errors import (
    MAX_RETRY_AFTER,
    ApiError,
    RetriableError,
    describe,
    final_error,
    problem,
    retry_after,
)
from tap_croct.export import BOOKMARK, Export
from tap_croct.pagination import Page, one_ahead
from tap_croct.progress import Progress
from tap_croct.records import convert_time, derived_key, omit_null_objects
from tap_croct.schemas import time_paths, undeclared
from tap_croct.times import Window

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from backoff.types import Details
    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import HTTPRequest

    from tap_croct.tap import TapCroct

_LONGEST_PAUSE = 60.0  # seconds, where the API does not ask for more
_TRANSIENT = (
    RetriableError,
    requests.ConnectionError,
    requests.Timeout,
    ChunkedEncodingError,
    ContentDecodingError,
)


class CroctStream(RESTStream["str | None"], abc.ABC):
    """A stream of the Export API.

    Pages are fetched one ahead of the writing; the bookmark follows a page once its records are
    out. It is the cursor to go on from and the latest time seen.
    """

    allow_redirects = False  # the key would go with them
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # records go out as they are
    _LOG_REQUEST_METRICS = False  # a line a page; `Progress` says it all ten seconds instead

    page_type: ClassVar[type[Page]] = Page
    """What a page of the usual shape is decoded as, where nothing looks inside the records."""

    @classmethod
    def own_keys(cls) -> tuple[str, str]:
        """Return the primary key and the replication key, whatever a catalog says."""
        return cls.primary_keys[0], str(cls.replication_key)  # type: ignore[index]

    _tap: TapCroct
    _export: Export
    _page: Page

    @override
    def __init__(self, tap: TapCroct) -> None:
        """Create the stream.

        Args:
            tap: The tap that it belongs to.
        """
        super().__init__(tap)
        self._bookmark: dict[str, str] = {}
        self._warned: set[str] = set()

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
        """Headers of every request, beside the key."""
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
    def requests_session(self) -> requests.Session:
        """A session that reads bodies when asked to, and keeps plain HTTP on this machine."""
        session = requests.Session()
        session.stream = True
        # A proxy from the environment would get a request to `http://localhost`, key and all.
        session.trust_env = self.url_base.startswith("https:")
        # Set per session, because the SDK sends in a way that skips REQUESTS_CA_BUNDLE.
        settings = session.merge_environment_settings(self.url_base, {}, None, None, None)
        session.verify = settings["verify"]
        return session

    @override
    def get_http_request(self, *, page: PageContext[str | None]) -> HTTPRequest:
        """Ask for a page: the window and the filter go with every one, beside the cursor."""
        request = super().get_http_request(page=page)
        request.params = {
            "pageSize": self.config["page_size"],
            "cursor": page.next_page_token,
            "events": self.config.get("event_types") if self.path == "/events" else None,
        }
        return request

    def _fetch(self, cursor: str | None, params: Mapping[str, int]) -> Page:
        """Fetch a page: see `Fetch`."""
        request = self.get_http_request(page=PageContext(None, cursor))
        request.params.update(params)
        prepared = self.build_prepared_request(
            method=request.method,
            url=request.url,
            params=request.encode_params(),
            headers=request.headers,
        )
        fetch = self.request_decorator(lambda request: self._parse(self._request(request, None)))
        try:
            page: Page = fetch(prepared)
        except FatalAPIError:
            raise
        except (RetriableError, requests.RequestException) as error:
            retries = self.config["max_retries"]
            tried = "" if isinstance(error, SSLError) else f" (after {retries} retries)"
            message = (
                f"{describe(error)}{tried}. Check `api_url` and the network, or run again: "
                "the export goes on where it stopped"
            )
            raise ApiError(message) from error
        return page

    # Responses

    @override
    def validate_response(self, response: requests.Response) -> None:
        """Tell transient answers from final ones.

        Raises:
            RetriableError: For 408, 429 and all 5xx.
            ApiError: For everything else but success.
        """
        status = response.status_code
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if status in {408, 429} or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = retry_after(response)
            what = problem(response, response.content)
            if wait is None or wait <= MAX_RETRY_AFTER:
                raise RetriableError(what, wait)
            message = (
                f"{what}. The API asks to wait {wait:,.0f} s, "
                f"more than {MAX_RETRY_AFTER} s: run again later"
            )
            raise ApiError(message, status)
        raise final_error(response, response.content)

    @override
    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        """Return the items of a response."""
        return self._parse(response).items

    def _parse(self, response: requests.Response) -> Page:
        """Decode a response.

        Raises:
            RetriableError: If the body of a 200 is no JSON: cut short, or a gateway's page.
            ApiError: If it is no page. Success without items is an error.
        """
        body = b"".join(response.iter_content(None))  # in one piece; `content` joins 10 KiB ones
        try:
            body, repaired = clean(body)
            if repaired:
                self._warn_once("text", "half surrogate pairs are no text: U+FFFD instead")
            return self._decode(body)
        except msgspec.ValidationError as error:
            reason = f"There is no list of records in it ({error})"
            raise final_error(response, body, reason) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reason = f"The body of {len(body):,} bytes is no JSON ({error})"
            if response.status_code != HTTPStatus.OK:
                raise final_error(response, body, reason) from error
            msg = f"{problem(response, body)}. {reason}"
            raise RetriableError(msg) from error

    def _decode(self, body: bytes) -> Page:
        if self._verbatim and self._export.overhang is None:
            with contextlib.suppress(msgspec.ValidationError):
                return decoder(self.page_type).decode(body)
        return decoder(Page).decode(body)

    # Retries

    @override
    def request_decorator(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Retry a request: as the SDK does, but with one line a retry and no jitter twice."""
        return backoff.on_exception(
            self.backoff_wait_generator,
            _TRANSIENT,
            max_tries=self.backoff_max_tries,
            giveup=lambda error: isinstance(error, SSLError),
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
        """Yield pauses in seconds: what the API asks for, else growing and jittered ones."""
        error = yield 0.0
        for attempt in itertools.count():
            pause = min(2.0 ** min(attempt, 10), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311
            error = yield getattr(error, "retry_after", None) or pause

    @override
    def backoff_handler(self, details: Details) -> None:
        """Log a retry."""
        self.logger.warning(
            "%s: %s; retry %d of %d in %.1f s",
            self.name,
            describe(details["exception"]),
            details["tries"],
            self.config["max_retries"],
            details["wait"],
        )

    # Pages

    def _pages(self) -> Iterator[Page]:
        """Yield each page while the one after it is fetched; then move the bookmark."""
        config = self.config
        bounds = (config.get("start_date"), config.get("end_date"))
        limits = (config.get("max_records"), self.ABORT_AT_RECORD_COUNT)
        state = self.stream_state
        stored = {} if self._full_table else {n: state[n] for n in BOOKMARK if n in state}
        self._bookmark = stored
        self._export = Export(
            self._fetch,
            order=self.own_keys()[1],
            bookmark=stored,
            window=Window(*(None if bound is None else times.parse(bound) for bound in bounds)),
            unit=config["time_unit"],
            limit=min((limit for limit in limits if limit), default=math.inf),
            logger=self.logger,
        )
        progress = Progress(self.name, self.logger)
        try:
            for page, bookmark in one_ahead(self._export.pages()):
                self._page = page
                yield page
                self._turn_page(bookmark)
                progress.page(len(page.items), bookmark.get("replication_key_value"))
        except FatalAPIError as error:
            error.args = (f"{self.name}: {error}",)
            raise
        progress.end(self._export.end)

    def _turn_page(self, bookmark: dict[str, str]) -> None:
        """Move the bookmark behind a page whose records are out; in batch mode, they will be."""
        if not self._full_table:
            self._bookmark = bookmark
        if not self.get_batch_config(self.config):
            self.state_manager.is_flushed = False
            self._write_state_message()

    @override
    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages, for `post_process` to make records of.

        Where only some are asked for, as by `--test`, these are all: the SDK would end the stream
        by an exception, and log it as an error.
        """
        items = (item for page in self._pages() for item in page.items)
        yield from itertools.islice(items, self.ABORT_AT_RECORD_COUNT)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        # The SDK has no hook to write more than one record at a time, and its way of one record
        # (selection, child contexts, state, message, flush) costs ten times what the rest does.
        if not self._verbatim:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        with self.get_record_counter() as counter, self.get_sync_timer():
            for page in self._pages():
                received = datetime.now(timezone.utc)
                records = self.records(page)
                self._tap.message_writer.write_records(
                    self.name,
                    records,
                    version=self._stream_version,
                    time_extracted=received,
                )
                counter.increment(len(records))
        self._finalize_state(self.stream_state)
        self._write_state_message()

    @property
    def _verbatim(self) -> bool:
        """Whether nothing looks inside the records, so that they can go out by the page."""
        stream_map, *others = self.stream_maps
        return (
            type(stream_map) is SameRecordTransform
            and not (others or stream_map.flattening_enabled)
            and all(self.mask.values())
            and not self.get_batch_config(self.config)
            and self.ABORT_AT_RECORD_COUNT is None
        )

    # Records

    def records(self, page: Page) -> list[Any]:
        """Make records of a page's items, for `MessageWriter.write_records`."""
        records = (self.post_process(item) for item in page.items)
        return [record for record in records if record is not None]

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        """Make a record of an item.

        Args:
            row: The item as the API gave it.
            context: Not used.

        Returns:
            The record; None if it lies outside of the window, which had to be rounded.
        """
        key, order = self.own_keys()
        if self._export.overhang is not None:
            time = times.to_milliseconds(row.get(order))
            if time is not None and time not in self._export.overhang:
                return None
        self.note_unknown(row)
        if row.get(key) in (None, ""):
            row[key] = derived_key(row)
            self._warn_once("key", f"records without `{key}` get one derived from their content")
        for path in self._time_paths:
            if not convert_time(row, path):
                self._warn_once("time", "times before year 1 or after 9999 become null")
        if self.config.get("flattening_enabled"):
            omit_null_objects(row, self.schema, self.config["flattening_max_depth"])
        return row

    def note_unknown(self, item: dict[str, Any]) -> None:
        """Note which properties of an item the schema does not know."""
        self._tap.unknown.update(undeclared(item, self.schema, self.name))

    @cached_property
    def _time_paths(self) -> list[tuple[str, ...]]:
        return list(time_paths(self.schema))

    def _warn_once(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self.logger.warning("%s: %s", self.name, message)

    # The bookmark

    @property
    def _full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    @override
    def _increment_stream_state(self, *args: Any, **kwargs: Any) -> None:
        # The SDK would keep the time of the record just written, not the latest, and before the
        # rest of the page is out. The bookmark moves by the page.
        pass

    @override
    def _write_state_message(self) -> None:
        # The only place where the state changes: ahead of its message, it would be ahead of the
        # records whenever something comes between (a batch that is not written yet, a signal).
        for name in BOOKMARK:
            self.stream_state.pop(name, None)
        self.stream_state.update(self._bookmark)
        super()._write_state_message()

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        """Write batch files: with the catalog's selection and the stream map, unlike the SDK's.

        What came before an error is written, too, before the error is raised.
        """
        failure: list[Exception] = []

        def records() -> Iterator[dict[str, Any]]:
            try:
                for record in self._sync_records(context, write_messages=False):
                    for message in self._generate_record_messages(record):
                        yield message.record
            except Exception as error:  # noqa: BLE001 - raised below
                failure.append(error)

        batcher = Batcher(self.tap_name, self.name, batch_config)
        for manifest in batcher.get_batches(records()):
            yield batch_config.encoding, manifest
        if failure:
            raise failure[0]

    @override
    def generate_child_contexts(
        self, record: Record, context: Context | None
    ) -> Iterable[Context | None]:
        """Return none: there are no child streams to copy a record for."""
        return ()

    @override
    def log_sync_costs(self) -> None:
        """Tell what the schemas do not know: the SDK calls this when all streams are done."""
        super().log_sync_costs()
        self._tap.report_unknown()
