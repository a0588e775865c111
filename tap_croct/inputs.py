"""What a run is given: files, the environment and the state of an earlier run."""

import importlib.util
import io
import json
import logging
import os
import re
import ssl
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote
from urllib.request import getproxies

import requests
from dotenv import dotenv_values
from dotenv.parser import parse_stream

from tap_croct.errors import InputError
from tap_croct.logs import NAME_LIMIT, no_constant, printable, redact

PREFIX = "TAP_CROCT_"
"""Start of the names of the environment variables that hold settings."""

MELTANO_MAPS = "MELTANO_EXTRACT_STREAM_MAPS"
"""Where Meltano shows what `meltano.yml` and its own sources say of stream maps, with nulls."""

_LEVELS = ("TAP_CROCT_LOGLEVEL", "LOGLEVEL")  # of the log; the first one counts
_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True)
_BOOLEANS |= dict.fromkeys(("false", "0", "no", "off"), False)
_PASSWORD = re.compile(r"(?<=://)[^:/@]*:(.*)(?=@)")
_PATH = re.compile(r"[^\s{}\[\]\"'=:@]*(?:/[^\s{}\[\]\"'=:@]*|\.json)")
_LAST_PORT = 65_535
_LATIN_1 = 255  # the last character that `requests` sends in a header
_PROXY = re.compile(
    r"(?:(?P<scheme>https?|socks4a?|socks5h?)://(?P<user>[^][/?#\\]*@)?)?"
    r"(?:[\w.-]+|\[[\da-f:.]+\])(?::(?P<port>\d+))?(?:/[^@?#]*)?",
    re.IGNORECASE,
)
"""What `requests` takes as the URL of a proxy: it knows no user without a scheme."""


def _json(text: str) -> object:
    value = json.loads(text, parse_constant=no_constant, object_pairs_hook=_each_once)
    json.dumps(value, ensure_ascii=False).encode()  # rejects unpaired surrogates
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object in which nothing is lost: of a name that stands there twice, one would win."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            message = f'it has "{printable(name, NAME_LIMIT)}" twice in one object'
            raise ValueError(message)
        found[name] = value
    return found


def read_object(file: IO[str] | str, source: str) -> dict[str, Any]:
    """Read a JSON object, once: the file may be a pipe, as from a process substitution.

    Args:
        file: An open file, which is closed then, or the path of one.
        source: What it is called in the message, such as `--state state.json`.

    Raises:
        InputError: If it cannot be read, or is not a JSON object.
    """
    text = ""
    try:
        with Path(file).open(encoding="utf-8") if isinstance(file, str) else file as opened:
            text = opened.read().removeprefix("\ufeff")  # a mark that some editors write
        value = _json(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    except (ValueError, RecursionError) as error:
        hint = "; `{}` is a valid state" if source.startswith("--state") else ""
        reason = f"is not valid JSON: {error}" if text.strip() else f"is empty{hint}"
    else:
        if isinstance(value, dict):
            return value
        reason = "must be a JSON object"
    message = f"{source} {reason}"
    raise InputError(message)


def config_name(path: str) -> str:
    """Return what to call a configuration file in a message.

    Args:
        path: What `--config` says; if it is settings, or the key, and not a path, it is not quoted.
    """
    if not path:
        return "--config ''"
    return path if _PATH.fullmatch(path) else "--config"


def merged(sources: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Merge settings: later sources win.

    Args:
        sources: What each source is called in a message, and its settings.

    Raises:
        InputError: If two sources set one object, such as `stream_maps`, in different ways: the
            later one would replace all of the other.
    """
    config: dict[str, Any] = {}
    found_in: dict[str, str] = {}
    mistakes = []
    for source, settings in sources:
        for name, value in settings.items():
            before = config.setdefault(name, value)
            if value != before and dict in (type(value), type(before)):
                mistakes.append(
                    f"{printable(name, NAME_LIMIT)}: {found_in[name]} and {source} set it in "
                    "different ways, and only one would count. Put it into one of them"
                )
            config[name] = value
            found_in[name] = source
    if mistakes:
        raise InputError(*mistakes)
    return config


def check_logging() -> None:
    """Check what the environment says about the log; empty variables count as not set.

    Raises:
        InputError: If it names a level that does not exist.
    """
    for name in (*_LEVELS, "SINGER_SDK_LOG_CONFIG"):
        text = os.environ.pop(name, "").strip()
        if text:  # docker compose makes empty ones
            os.environ[name] = text
    for name in [name for name in _LEVELS if name in os.environ][:1]:
        if not isinstance(logging.getLevelName(os.environ[name].upper()), int):
            message = f"{name} must be DEBUG, INFO, WARNING, ERROR or CRITICAL"
            raise InputError(message)


def variables() -> dict[str, dict[str, str]]:
    """Return the variables of the tap in `.env`, and those in the environment, which win.

    The file is read from the working directory only: one in a folder above it may belong to
    somebody else. (The SDK looks next to its own source.) Empty variables are treated as not
    set, and white space around a value is not part of it.

    Returns:
        The variables by what to call the source.

    Raises:
        InputError: If there is a `.env` that cannot be read, or that sets an object in two ways, or
            no working directory any more.
    """
    try:
        file = Path.cwd() / ".env"
        # Not left to python-dotenv: before 1.2.3, a byte order mark is part of the first name.
        text = file.read_text(encoding="utf-8-sig") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        message = f"The working directory, or the `.env` in it, cannot be read: {error}"
        raise InputError(message) from None
    values: dict[str, str] = {}
    for found in parse_stream(io.StringIO(text)):  # python-dotenv itself only logs what is wrong
        line = found.original.string.partition("#")[0].lstrip("'\" \t\r\n")
        # JSON on a line of its own is the rest of a value without quotes: its variable was cut.
        wrong = unread = line.startswith(("{", '["')) or (found.error and PREFIX in line)
        if found.key in values and found.key.startswith(PREFIX):
            texts = {values[found.key].strip(), (found.value or "").strip()}
            wrong = len(texts) > 1 and any(text.startswith("{") for text in texts)  # an object
        values[found.key or ""] = found.value or ""
        if wrong:
            why = "cannot be read" if unread else f"sets {found.key} again, in another way"
            message = f"`.env`: line {found.original.line} {why}"
            raise InputError(message)
    sources: dict[str, Mapping[str, str | None]] = {
        "`.env`": dotenv_values(stream=io.StringIO(text)),
        f"the environment ({PREFIX}…)": os.environ,
    }
    return {
        source: {
            name: value.strip()
            for name, value in both.items()
            if name.upper().startswith(PREFIX) and value and value.strip()
        }
        for source, both in sources.items()
    }


def settings_in(
    variables: dict[str, str], schema: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Read settings from environment variables.

    Args:
        variables: The variables, see `variables`.
        schema: JSON schema of the settings.

    Returns:
        The settings, and the variables that match no setting. What cannot be read as its setting's
        type stays a string: the validation then says what it may be.
    """
    named = {PREFIX + name.upper(): name for name in schema["properties"]}
    found = {}
    others = [f"{PREFIX}_"]  # Meltano has others with two underscores, such as TAP_CROCT__SELECT,
    for variable, name in named.items():
        if variable in variables:
            found[name] = _read(variables[variable], schema["properties"][name])
            if "object" in schema["properties"][name].get("type", ()):
                others.append(f"{variable}_")  # and beside an object, one for each of its parts
    unknown = variables.keys() - named.keys() - {f"{PREFIX}LOGLEVEL"}
    return found, [
        name
        for name in unknown
        if not name.upper().startswith(tuple(others)) or name.upper().replace("__", "_") in named
    ]


def _read(text: str, prop: dict[str, Any]) -> object:
    types = prop.get("type", ())
    if "string" in types:
        return text
    if "boolean" in types:
        return _BOOLEANS.get(text.lower(), text)
    try:
        return _json(text)
    except (ValueError, RecursionError):
        return [item.strip() for item in text.split(",")] if "array" in types else text


def check_network(url: str) -> None:
    """Check the proxy and the bundle of certificates that `requests` is configured to use.

    Args:
        url: The API's base URL.

    Raises:
        InputError: If one of them cannot be used.
    """
    for proxy in getproxies().values():
        if found := _PASSWORD.search(proxy):
            header = b64encode(unquote(found[0]).encode("latin-1", "ignore")).decode()
            for secret in (found[0], found[1], unquote(found[1]), header):
                redact(secret)
    if not url.startswith("https:"):
        return  # goes through no proxy
    proxies = requests.utils.get_environ_proxies(url)
    if used := proxies.get("https") or proxies.get("all"):
        _check_proxy(used)
    bundles = [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)]
    for variable in bundles[:1]:  # the first one counts
        bundle = os.environ[variable]
        try:
            paths = (None, bundle) if Path(bundle).is_dir() else (bundle, None)
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(*paths)
        except OSError as error:  # of SSL, too
            reason = printable(error.strerror or error)
            message = f"{variable} names {bundle}, which cannot be used: {reason}"
            raise InputError(message) from None


def _check_proxy(proxy: str) -> None:
    names = [name for name, value in os.environ.items() if value == proxy]
    variable = " or ".join(n for n in names if n.lower() in ("https_proxy", "all_proxy"))
    parts = _PROXY.fullmatch(proxy)
    socks = parts is not None and (parts["scheme"] or "").lower().startswith("socks")
    user = unquote(parts["user"] or "") if parts else ""
    cannot_be_sent = not socks and any(ord(character) > _LATIN_1 for character in user)
    if not parts or int(parts["port"] or 0) > _LAST_PORT or cannot_be_sent:
        message = (
            f"{variable} is not the URL of a proxy, such as http://user:password@host:port. "
            "Special characters in user and password have to be percent-encoded: # is %23; "
            "those beyond Latin-1 cannot be sent"
        )
        raise InputError(message)
    if socks and importlib.util.find_spec("socks") is None:
        message = f"{variable} names a SOCKS proxy: install PySocks beside the tap"
        raise InputError(message)
