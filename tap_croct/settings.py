"""The settings: what they are, where they come from, and what is said when one is wrong."""

from __future__ import annotations

import difflib
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dotenv import dotenv_values, find_dotenv
from jsonschema import FormatChecker
from singer_sdk import typing as th
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_croct import times
from tap_croct.schemas import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

API_URL = "https://api.croct.io/export"

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True)
_BOOLEANS |= dict.fromkeys(("false", "0", "no", "off"), False)
_FORMATS = FormatChecker(formats=())


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
        description="Export nothing older (inclusive): a date or date-time, UTC without an offset",
    ),
    th.Property(
        "end_date",
        _Time,
        title="End date",
        description="Export nothing from here on (exclusive); must lie after `start_date`",
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
        title="Maximum of records",
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
        description=(
            "Hours that a run which resumes by time reads again, because records arrive late"
        ),
    ),
    th.Property(
        "replace_nul_characters",
        th.BooleanType,
        default=False,
        title="Replace NUL characters",
        description=(
            "Replace NUL characters by U+FFFD, for warehouses such as PostgreSQL that do not "
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
            "Unit of the time window that the API is asked for: `milliseconds`, `seconds` or "
            "`auto` (find out)"
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
        title="Maximum of retries",
        description="Retries of one request before the run fails",
    ),
    th.Property(
        "user_agent",
        _HeaderValue,
        title="User agent",
        description="`User-Agent` header of the requests; `tap-croct/<version>`, if not given",
    ),
).to_dict()
"""The tap's own settings as a JSON schema."""

_HEADER_VALUE = "a non-empty string of printable ASCII characters, without spaces around it"
_EXPECTED = {
    "api_key": _HEADER_VALUE,
    "api_url": (
        f"a URL such as {API_URL}: https (http only for localhost, 127.0.0.1 and [::1]), "
        "without user, query and fragment"
    ),
    "start_date": "a date or date-time such as 2026-01-31 or 2026-01-31T08:00:00Z",
    "end_date": "a date or date-time such as 2026-01-31 or 2026-01-31T08:00:00Z",
    "event_types": "a list of event types",
    "page_size": "an integer from 1 to 1000",
    "max_records": "an integer of at least 1",
    "lookback_hours": "an integer of at least 0",
    "replace_nul_characters": "true or false",
    "time_unit": "`auto`, `milliseconds` or `seconds`",
    "request_timeout": "a number of seconds above 0 and up to 86400",
    "max_retries": "an integer of at least 0",
    "user_agent": _HEADER_VALUE,
}


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
    _ = url.port  # raises for a port that is none
    secure = url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK)
    plain = not (url.query or url.fragment or "@" in url.netloc) and _is_header_value(value)
    return secure and plain and bool(url.hostname) and " " not in value


@_FORMATS.checks("date-or-date-time", raises=(ValueError, OverflowError))
def _is_time(value: object) -> bool:
    if isinstance(value, str):
        times.parse(value)
    return True


def from_environment(schema: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Read settings from environment variables, and from a `.env` file where those are not set.

    The file is looked for in the working directory and above it; the SDK looks beside its own
    source. Empty variables count as not set.

    Args:
        schema: JSON schema of the settings.
        prefix: Start of the variables' names, such as `TAP_CROCT_`.

    Returns:
        The settings found. What can't be read as its setting's type stays a string: the
        validation then says what it may be.
    """
    environment = {**dotenv_values(find_dotenv(usecwd=True)), **os.environ}
    return {
        name: _read(text, prop)
        for name, prop in schema["properties"].items()
        if (text := environment.get(prefix + name.upper()))
    }


def _read(text: str, prop: dict[str, Any]) -> object:
    types = prop.get("type", ())
    if "string" in types:
        return text
    if "boolean" in types:
        return _BOOLEANS.get(text.lower(), text)
    try:
        return json.loads(text)
    except ValueError:
        return [item.strip() for item in text.split(",")] if "array" in types else text


def validate(config: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Check a configuration, and fill in the defaults.

    Args:
        config: The configuration; defaults are added to it.
        schema: JSON schema of the settings, the SDK's own included.

    Returns:
        A line for each mistake, which names the setting and what it may be. Values are not
        quoted, but for misspelt event types: one of them may be the key.
    """
    validator = JSONSchemaValidator(schema, format_checker=_FORMATS)
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(p) for p in error.path])
    mistakes = list(dict.fromkeys(_mistake(error) for error in errors))
    if not mistakes and {"start_date", "end_date"} <= config.keys():
        start, end = (times.parse(config[name]) for name in ("start_date", "end_date"))
        if end <= start:
            mistakes.append("end_date: must lie after start_date")
    return mistakes


def unknown(config: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each setting that there is none of, with the one probably meant."""
    for name in config.keys() - schema["properties"].keys():
        yield f"{name}: there is no such setting{_guess(name, schema['properties'])}"


def _mistake(error: ValidationError) -> str:
    if not error.path:  # the only thing wrong with the whole is what it lacks
        return f"api_key: is required: {_EXPECTED['api_key']}"
    name = str(error.path[0])
    if name == "event_types" and isinstance(error.instance, str) and len(error.path) > 1:
        return f'event_types: "{error.instance}" is no event type{_guess(error.instance)}'
    if name in _EXPECTED:
        return f"{name}: must be {_EXPECTED[name]}"
    path = ".".join(str(part) for part in error.path)
    what = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    types = error.schema.get("type", "") if isinstance(error.schema, dict) else ""
    expected = " or ".join(types if isinstance(types, list) else [types]).strip()
    return f"{path}: must be {expected or 'something else'}{f' ({what})' if what else ''}"


def _guess(name: str, known: object = EVENT_TYPES) -> str:
    lower = {str(word).lower(): str(word) for word in known}  # type: ignore[attr-defined]
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return f'; did you mean "{lower[close[0]]}"?' if close else ""
