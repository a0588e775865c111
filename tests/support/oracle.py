"""The SDK's own way with records, to compare the tap's output with.

`Reference` is a tap as the SDK's documentation describes one: streams whose `get_records` yields
the records, everything else left to the SDK. `reference_outcome` runs it, `tap_outcome` the tap
under test, in this process and on the same pages.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import gzip
import io
import json
import logging
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import mock
from urllib.parse import parse_qs, urlsplit
from urllib.request import url2pathname

import requests
import urllib3
from requests.adapters import BaseAdapter
from singer_sdk import Stream, Tap
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter

from tap_croct.tap import TapCroct
from tests.support.converted import record_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.singerlib.messages import Message

Json = dict[str, Any]
Pages = dict[str, list[bytes]]

PATHS = {"events": "events", "session": "sessions", "user": "users"}
CONFIG: Json = {"api_url": "http://localhost/export", "api_key": "oracle-key", "max_retries": 0}
"""Nothing listens there: `answering` comes first, and certificates would take their time."""


@functools.cache
def _catalog_text() -> str:
    return json.dumps(TapCroct(config=CONFIG).catalog_dict)


def catalog() -> Json:
    """Return the catalog that the tap discovers, to be changed at will."""
    found: Json = json.loads(_catalog_text())  # copying it takes five times as long
    return found


# The reference


class _ReferenceStream(Stream):
    """A stream that yields finished records; the SDK does the rest."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    _tap: Reference

    def get_records(self, context: object) -> Iterator[Json]:
        del context
        for body in self._tap.pages[self.name]:
            page = exactly(body)
            for item in page["items"]:
                yield record_of(self.name, item, page.get("metadata"), self.schema)

    def _increment_stream_state(self, *args: object, **kwargs: object) -> None:
        """Keep no bookmark: it fails where the replication key is missing."""


class _Collector(SimpleSingerWriter):
    """Keeps messages, encoded by the SDK's own encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def write_message(self, message: Message) -> None:
        self.lines.append(self.format_message(message))


class Reference(Tap):
    """The tap as the SDK would have it, with records instead of requests."""

    name = "tap-reference"
    config_jsonschema: ClassVar[Json] = {"properties": {}}

    def __init__(self, entries: list[Json], pages: Pages, **kwargs: Any) -> None:
        """Create it.

        Args:
            entries: The streams, as entries of a catalog.
            pages: The bodies of the responses, by stream.
            kwargs: See `singer_sdk.Tap`.
        """
        self._entries = entries
        self.pages = pages
        super().__init__(**kwargs)

    def discover_streams(self) -> list[Stream]:
        streams: list[Stream] = []
        for entry in self._entries:
            stream = _ReferenceStream(self, entry["schema"], entry["tap_stream_id"])
            stream.primary_keys = entry["key_properties"]
            stream.replication_key = entry["replication_key"]
            streams.append(stream)
        return streams


# What comes out


@dataclass
class Outcome:
    """What a run gave, by the name under which a stream goes out."""

    error: Exception | None = None
    schemas: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    records: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    largest_file: int = 0
    without_schema: set[str] = field(default_factory=set)
    versioned: set[tuple[str, str]] = field(default_factory=set)
    """Kind and stream of the messages that have a version: it is the time of the run."""

    def read(self, lines: Iterable[str]) -> None:
        """Take the messages of a run."""
        for message in map(exactly, lines):
            name = message.get("stream", "")
            if "version" in message:
                self.versioned.add((message["type"], name))
            if message["type"] == "SCHEMA":
                self.schemas[name].append({k: v for k, v in message.items() if k != "type"})
            elif message["type"] == "RECORD":
                self.records[name].append(message["record"])
            elif message["type"] == "BATCH":
                for url in message["manifest"]:
                    found = read_batch_file(url)
                    self.largest_file = max(self.largest_file, len(found))
                    self.records[name] += found
            if message["type"] in {"RECORD", "BATCH"} and name not in self.schemas:
                self.without_schema.add(name)


def read_batch_file(url: str) -> list[Json]:
    """Return the records of a batch file."""
    with gzip.open(url2pathname(urlsplit(url).path), "rt", encoding="utf-8", newline="\n") as file:
        return [exactly(line) for line in file]


def reference_outcome(config: Json, given: Json | None, pages: Pages) -> Outcome:
    """Run the reference.

    Args:
        config: Stream maps and flattening. A batch configuration is left out: the SDK's batch
            files skip selection and stream maps, the tap's hold what RECORD messages would.
        given: The catalog that it is given.
        pages: The bodies of the responses, by stream.
    """
    config = {name: value for name, value in config.items() if name != "batch_config"}
    writer = _Collector()
    outcome = Outcome()
    try:
        tap = Reference(
            (given or catalog())["streams"],
            pages,
            config=copy.deepcopy(config),
            catalog=given,
            message_writer=writer,
        )
        with _quiet():
            tap.sync_all()
    except Exception as error:  # noqa: BLE001 - an expression can fail in any way
        outcome.error = error
    outcome.read(writer.lines)
    return outcome


def tap_outcome(config: Json, given: Json | None, pages: Pages) -> Outcome:
    """Run the tap under test.

    Args:
        config: Settings besides those that make it run.
        given: The catalog that it is given.
        pages: The bodies of the responses, by stream.
    """
    outcome = Outcome()
    buffer = io.BytesIO()
    out = io.TextIOWrapper(buffer, encoding="utf-8")
    with contextlib.redirect_stdout(out), answering(pages), _quiet():
        try:
            TapCroct(config=copy.deepcopy({**CONFIG, **config}), catalog=given).sync_all()
        except Exception as error:  # noqa: BLE001 - an expression can fail in any way
            outcome.error = error
    written = buffer.getvalue().decode()
    assert written.endswith("\n") or not written
    outcome.read(written.split("\n")[:-1])
    return outcome


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


# The API, in this process


class _Body(io.BytesIO):
    """A body that closes itself at its end, as a connection's does."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.tell() == len(self.getbuffer()):
            self.close()
        return data


class _Answers(BaseAdapter):
    """Answers requests from memory; the cursor is the number of the page."""

    def __init__(self, pages: Pages) -> None:
        super().__init__()
        self._pages = pages

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        cursor = parse_qs(url.query).get("cursor", ["0"])[0]
        body = self._pages[PATHS[url.path.rsplit("/", 1)[1]]][int(cursor)]
        response = requests.Response()
        response.status_code = 200
        response.url = str(request.url)
        response.request = request
        response.headers["Content-Type"] = "application/json"
        response.raw = urllib3.HTTPResponse(_Body(body), status=200, preload_content=False)
        return response

    def close(self) -> None:
        """Close nothing."""


@contextlib.contextmanager
def answering(pages: Pages) -> Iterator[None]:
    """Answer all requests of this process with pages from memory."""
    answers = _Answers(pages)
    with mock.patch.object(requests.Session, "get_adapter", return_value=answers):
        yield


def exactly(text: str | bytes) -> Any:
    """Decode JSON; numbers with a fraction or an exponent keep all their digits."""
    return json.loads(text, parse_float=Decimal)
