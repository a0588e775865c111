"""The settings of the tap, as a JSON schema."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from tap_croct.schemas import EVENT_TYPES

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
"""The tap's own settings as a JSON schema."""
