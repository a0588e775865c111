"""Checks of the settings, with a line for each mistake that says what the setting may be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jsonschema import FormatChecker
from singer_sdk.mapper import MAPPER_ELSE_OPTION, MAPPER_KEY_PROPERTIES_OPTION, NULL_STRING
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_croct import times
from tap_croct.schemas import EVENT_TYPES
from tap_croct.settings import API_URL
from tap_croct.text import NAME_LIMIT, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jsonschema import ValidationError

MISSPELT = 0.8
"""How similar a name must be to a known one to be taken for a misspelling, 0 to 1."""

_SIMILAR = 0.6  # enough to suggest a name
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FORMATS = FormatChecker(formats=())
_HEADER_VALUE = "a non-empty string of printable ASCII characters, without spaces around it"
_EXPRESSION = "an expression (a string) or null"
_NULLS = (None, NULL_STRING)
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "",  # the same as leaving it out
    "number": "a number",
    "object": "a JSON object",
    "string": "a string",
}
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
_BATCH_NAMES = {
    "": ("encoding", "storage", "batch_size"),
    "encoding.": ("format", "compression"),
    "storage.": ("root", "prefix", "params"),
}
"""What the parts of `batch_config` can hold: anything else, the SDK answers with a TypeError."""


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


def validate(config: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Check a configuration, fill in the defaults, and write what is equivalent in one way.

    That is the URL's scheme in lower case, integers without a fraction (`24.0` is one to JSON
    Schema), and expressions without spaces around them, which Python would take for an indentation.

    Args:
        config: The configuration; it is changed.
        schema: JSON schema of the settings, the SDK's own included.

    Returns:
        A line for each mistake, which names the setting and what it may be. Values are not
        quoted, except for misspelt event types: one of them may be the key.
    """
    # Not left to the JSON schema: the SDK's crashes on a wrong `__else__`.
    mistakes = list(_stream_map_shapes(config.get("stream_maps")))
    if mistakes:
        return mistakes
    validator = JSONSchemaValidator(schema, format_checker=_FORMATS)
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(p) for p in error.path])
    mistakes = list(dict.fromkeys(_mistake(error) for error in errors))
    mistakes = mistakes or list(_batch_mistakes(config.get("batch_config")))
    if mistakes:
        return mistakes
    config.update(_whole_numbers(config, schema))
    scheme, rest = config["api_url"].split(":", 1)
    config["api_url"] = f"{scheme.lower()}:{rest}"
    if "stream_maps" in config:
        config["stream_maps"] = {
            stream: {name: _stripped(value) for name, value in definition.items()}
            if isinstance(definition, dict)
            else definition
            for stream, definition in config["stream_maps"].items()
        }
    if {"start_date", "end_date"} <= config.keys():
        start, end = (times.parse(config[name]) for name in ("start_date", "end_date"))
        if end <= start:
            return ["end_date: must lie after start_date"]
    return []


def warnings(config: dict[str, Any]) -> list[str]:
    """Return a line for each setting that is valid, but probably a mistake.

    Args:
        config: A valid configuration.
    """
    start = config.get("start_date")
    if start is not None and times.parse(start) > time.time() * 1000:
        return ["start_date: lies in the future: nothing is exported until then"]
    return []


def unknown(
    names: Iterable[str], known: Iterable[str], prefix: str = ""
) -> tuple[list[str], list[str]]:
    """Tell misspelt names of settings, or of environment variables, from unknown ones.

    Args:
        names: The names given.
        known: The names of the settings, or of their variables.
        prefix: What all of them start with, and so no sign of similarity.

    Returns:
        A line for each name that is close to a known one, and a line for each other one.
    """
    known = list(known)
    misspelt, others = [], []
    for name in sorted(set(names).difference(known)):
        text = printable(name, NAME_LIMIT)
        hint = guess(name, known, prefix=prefix)
        if guess(name, known, MISSPELT, prefix):
            misspelt.append(f"{text}: is not a setting{hint}")
        else:
            others.append(f"{text}: is not a setting, and is ignored{hint}")
    return misspelt, others


def guess(name: str, known: Iterable[str], similarity: float = _SIMILAR, prefix: str = "") -> str:
    """Return which of the known names was probably meant.

    Args:
        name: A name that is not among them.
        known: The names to choose from.
        similarity: How similar they must be, 0 to 1.
        prefix: What all names start with, and so no sign of similarity.

    Returns:
        The end of a sentence, with up to three names; empty if none is similar.
    """
    import difflib  # noqa: PLC0415 - only mistakes need it

    lower = {word.removeprefix(prefix).lower(): word for word in known}
    word = name.removeprefix(prefix).lower()[:NAME_LIMIT]
    close = difflib.get_close_matches(word, lower, cutoff=similarity)
    names = [f'"{lower[word]}"' for word in close]
    if not names:
        return ""
    return f"; did you mean {' or '.join(filter(None, [', '.join(names[:-1]), names[-1]]))}?"


def _whole_numbers(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, int]:
    """Return the settings that are integers, but written like `24.0`."""
    rules = schema["properties"]
    return {
        name: int(value)
        for name, value in config.items()
        if isinstance(value, float) and "integer" in rules.get(name, {}).get("type", ())
    }


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _stream_map_shapes(stream_maps: object) -> Iterator[str]:
    """Yield a line for each part of stream maps that has the wrong type."""
    if not isinstance(stream_maps, dict):
        return  # another type is the JSON schema's to report
    for name, definition in stream_maps.items():
        where = f"stream_maps: {printable(name, NAME_LIMIT)}"
        if name == MAPPER_ELSE_OPTION:
            if definition not in _NULLS:
                yield f"{where}: must be null"
        elif isinstance(definition, dict):
            yield from _property_shapes(where, definition)
        elif definition not in _NULLS:
            yield f"{where}: must be an object of properties and their expressions, or null"


def _property_shapes(where: str, definition: Mapping[str, object]) -> Iterator[str]:
    for name, value in definition.items():
        if value in _NULLS:
            continue
        here = f"{where}: {printable(name, NAME_LIMIT)}"
        if name == MAPPER_ELSE_OPTION:
            yield f"{here}: must be null"
        elif name == MAPPER_KEY_PROPERTIES_OPTION:
            if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
                yield f"{here}: must be a list of properties, or null"
        elif not isinstance(value, str):
            yield f"{here}: must be {'a string' if name.startswith('__') else _EXPRESSION}"


def _batch_mistakes(batches: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield a line for each mistake about batch files that the SDK's schema does not find.

    It allows any name, and does not know `batch_size`: with a negative one, no file would hold the
    records.
    """
    if not batches:
        return
    for path, names in _BATCH_NAMES.items():
        given = batches.get(path[:-1]) or {} if path else batches
        for name in sorted(given.keys() - names):
            what = printable(name, NAME_LIMIT)
            yield f"batch_config.{path}{what}: is not a setting{guess(name, names)}"
    for part, needed in (("encoding", "format"), ("storage", "root")):
        if not (batches.get(part) or {}).get(needed):
            yield f"batch_config.{part}.{needed}: is required for batch files"
    size = batches.get("batch_size")
    if size is not None and (type(size) is not int or size < 1):
        yield "batch_config.batch_size: must be an integer of at least 1"


def _mistake(error: ValidationError) -> str:
    if not error.path:  # the only thing that can be wrong with the whole is what it lacks
        return f"api_key: is required: {_EXPECTED['api_key']}"
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
