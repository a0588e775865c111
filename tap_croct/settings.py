"""The settings of the tap: their JSON schema, and the checks that it cannot say."""

import importlib.util
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from jsonschema import FormatChecker, ValidationError
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_croct import stream_maps, times
from tap_croct.logs import NAME_LIMIT, guess, printable, unknown
from tap_croct.messages import wrong_batches
from tap_croct.schemas import EVENT_TYPES, STREAM_MAPS

API_URL = "https://api.croct.io/export"


class _HeaderValue(th.StringType):
    string_format = "header-value"


class _ApiUrl(th.StringType):
    string_format = "api-url"


class _Time(th.StringType):
    string_format = "date-or-date-time"


SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_key",
        _HeaderValue,
        required=True,
        secret=True,
        title="API key",
        description="API key of the application, with permission to export",
    ),
    th.Property(
        "api_url",
        _ApiUrl,
        default=API_URL,
        title="API URL",
        description="Base URL of the Export API; https only, except for this machine",
    ),
    th.Property(
        "start_date",
        _Time,
        title="Start date",
        description=(
            "Export records from this time on (inclusive): a date or date-time, in UTC if it has "
            "no offset"
        ),
    ),
    th.Property(
        "end_date",
        _Time,
        title="End date",
        description="Export records before this time only (exclusive); must lie after `start_date`",
    ),
    th.Property(
        "event_types",
        th.ArrayType(th.StringType(allowed_values=list(EVENT_TYPES))),
        title="Event types",
        description="Types of events to export; all, if not given",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=1000),
        default=1000,
        title="Page size",
        description="Records asked for at a time, 1 to 1000",
    ),
    th.Property(
        "max_records",
        th.IntegerType(minimum=1),
        title="Maximum records",
        description=(
            "Stop each stream after the page that reaches this number of records; "
            "the next run resumes from there"
        ),
    ),
    th.Property(
        "lookback_hours",
        th.IntegerType(minimum=0),
        default=24,
        title="Lookback",
        description="Hours to go back when a run resumes by time, because records can arrive late",
    ),
    th.Property(
        "replace_nul_characters",
        th.BooleanType,
        default=False,
        title="Replace NUL characters",
        description=(
            "Replace NUL characters with U+FFFD, for warehouses such as PostgreSQL that do not "
            "store them"
        ),
    ),
    th.Property(
        "time_unit",
        th.StringType,
        default="auto",
        allowed_values=["auto", "milliseconds", "seconds"],
        title="Time unit",
        description=(
            "Unit in which the API takes time windows: `milliseconds`, `seconds` or `auto` "
            "(find out)"
        ),
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=86_400),
        default=60,
        title="Request timeout",
        description="Seconds to wait for the API to answer",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0),
        default=10,
        title="Maximum retries",
        description="Retries of one request before the run fails",
    ),
    th.Property(
        "user_agent",
        _HeaderValue,
        title="User agent",
        description="`User-Agent` header of the requests; `tap-croct/<version>`, if not given",
    ),
).to_dict()
"""The settings as a JSON schema: the tap's own, and those of the SDK."""

Tap.append_builtin_config(SETTINGS)

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HEADER_VALUE = "a non-empty string of printable ASCII characters, without spaces around it"
_DATE = "a date or date-time such as 2026-01-31 or 2026-01-31T08:00:00Z"
_EXPECTED = {
    "api_key": _HEADER_VALUE,
    "api_url": (
        f"a URL such as {API_URL}: https (http only for localhost, 127.0.0.1 and [::1]), "
        "without user, query and fragment"
    ),
    "start_date": _DATE,
    "end_date": _DATE,
    "event_types": "a list of event types",
    "page_size": "an integer from 1 to 1000",
    "max_records": "an integer of at least 1",
    "lookback_hours": "an integer of at least 0",
    "time_unit": "`auto`, `milliseconds` or `seconds`",
    "request_timeout": "a number of seconds above 0 and up to 86400",
    "max_retries": "an integer of at least 0",
    "user_agent": _HEADER_VALUE,
}
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "",  # the same as leaving it out
    "number": "a number",
    "object": "a JSON object",
    "string": "a string",
}
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("header-value")
def _is_header_value(value: object) -> bool:
    if not isinstance(value, str):
        return True  # another type is another mistake
    return value != "" and value.isascii() and value.isprintable() and value == value.strip()


@_FORMATS.checks("api-url", raises=ValueError)
def _is_api_url(value: object) -> bool:
    if not isinstance(value, str):
        return True
    url = urlsplit(value)
    _ = url.port  # raises for a port that is not a number
    secure = url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK)
    plain = not (url.query or url.fragment or "@" in url.netloc) and _is_header_value(value)
    return secure and plain and bool(url.hostname) and " " not in value


@_FORMATS.checks("date-or-date-time", raises=(ValueError, OverflowError))
def _is_time(value: object) -> bool:
    if isinstance(value, str):
        times.parse(value)
    return True


def validate(config: dict[str, Any]) -> list[str]:
    """Check a configuration, fill in the defaults, and write what is equivalent in one way.

    That is the URL's scheme in lower case, integers without a fraction (`24.0` is one to JSON
    Schema), and expressions without spaces around them, which Python would take for an indentation.

    Args:
        config: The configuration; it is changed.

    Returns:
        A line for each mistake, which names the setting and what it may be. Values are not
        quoted, except for misspelt event types: one of them may be the key.
    """
    if mistakes := list(dict.fromkeys(_wrong_maps(config.get("stream_maps")))):
        return mistakes
    if isinstance(maps := config.get("stream_maps"), dict):
        config["stream_maps"] = stream_maps.normalized(maps)
    mistakes = list(dict.fromkeys(map(_mistake, _errors(SETTINGS, config))))
    mistakes = mistakes or [*wrong_batches(config.get("batch_config")), *_wrong_faker(config)]
    if mistakes:
        return mistakes
    for name, value in config.items():
        rules = SETTINGS["properties"].get(name, {})
        if isinstance(value, float) and "integer" in rules.get("type", ()):
            config[name] = int(value)
    scheme, rest = config["api_url"].split(":", 1)
    config["api_url"] = f"{scheme.lower()}:{rest}"
    if {"start_date", "end_date"} <= config.keys():
        start, end = (times.parse(config[name]) for name in ("start_date", "end_date"))
        if end <= start:
            return ["end_date: must lie after start_date"]
    return []


def warnings(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each setting that is valid, but probably a mistake.

    Args:
        config: A valid configuration.
    """
    start = config.get("start_date")
    if start is not None and times.parse(start) > time.time() * 1000:
        yield "start_date: lies in the future: nothing is exported until then"
    key = config["api_key"]
    if key != key.strip("'\""):
        yield "api_key: stands in quotes, which are sent with it (`docker --env-file` keeps them)"
    elif not _UUID4.fullmatch(key.lower()):
        yield "api_key: is not a version 4 UUID, as all keys of Croct are"


def _errors(schema: dict[str, Any], value: object) -> list[Any]:
    errors = JSONSchemaValidator(schema, format_checker=_FORMATS).iter_errors(value)
    return sorted(errors, key=lambda error: [str(part) for part in error.path])


def _wrong_maps(maps: object) -> Iterator[str]:
    for error in _errors(STREAM_MAPS, maps):
        parts = [printable(part, NAME_LIMIT) for part in [*error.path][:2]]
        yield f"{': '.join(['stream_maps', *parts])}: must be {error.schema['title']}"


def _wrong_faker(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each mistake in `faker_config` that the SDK would not explain."""
    given = config.get("faker_config") or {}
    misspelt, _ = unknown(given, SETTINGS["properties"]["faker_config"]["properties"])
    yield from (f"faker_config.{line}" for line in misspelt)
    used = "fake" in str(config.get("stream_maps")) and importlib.util.find_spec("faker")
    if used and given.get("locale"):
        try:
            importlib.import_module("faker").Faker(given["locale"])
        except AttributeError:
            yield "faker_config.locale: must be one that Faker has, such as en_US"


def _mistake(error: ValidationError) -> str:
    if not error.path:  # the only thing that can be wrong with the whole is what it lacks
        return (
            f"api_key: is required: {_EXPECTED['api_key']}. Settings are read with "
            "`--config FILE`, and from the environment with `--config=ENV`; Meltano reads "
            "TAP_CROCT_API_KEY, also from `.env`"
        )
    name = str(error.path[0])
    if name == "event_types" and isinstance(error.instance, str) and len(error.path) > 1:
        return (
            f'event_types: "{printable(error.instance, NAME_LIMIT)}" is not an event type'
            f"{guess(error.instance, EVENT_TYPES)} "
            f"(`tap-croct --about --format=json` lists all {len(EVENT_TYPES)})"
        )
    if name in _EXPECTED:
        return f"{name}: must be {_EXPECTED[name]}"
    path = ".".join(printable(part, NAME_LIMIT) for part in error.path)
    return f"{path}: must be {_expected(error)}"


def _expected(error: ValidationError) -> str:
    """Return what a setting of the SDK's own may be."""
    rules = error.schema if isinstance(error.schema, dict) else {}
    if "enum" in rules:
        return " or ".join(f"`{value}`" for value in rules["enum"])
    types = rules.get("type", [])
    names = [_TYPES[name] for name in (types if isinstance(types, list) else [types])]
    return " or ".join(name for name in names if name) or "something else"
