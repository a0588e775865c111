"""What the environment says: settings in variables and `.env`, and a bundle of certificates."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from tap_croct.errors import InputError
from tap_croct.text import no_constant, printable

_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True)
_BOOLEANS |= dict.fromkeys(("false", "0", "no", "off"), False)


def variables(prefix: str) -> dict[str, str]:
    """Return the environment variables of the tap, and those of `.env` that are not set.

    The file is read from the working directory only: one in a folder above it may belong to
    somebody else. (The SDK looks next to its own source.) Empty variables are treated as not
    set.

    Args:
        prefix: Start of the variables' names, such as `TAP_CROCT_`.

    Raises:
        InputError: If there is a `.env` that cannot be read.
    """
    file = Path.cwd() / ".env"
    try:
        in_file = dotenv_values(file)
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file} cannot be read: {error}"
        raise InputError(message) from None
    both = [*in_file.items(), *os.environ.items()]
    return {name: text for name, text in both if text and name.startswith(prefix)}


def settings(
    variables: dict[str, str], schema: dict[str, Any], prefix: str
) -> tuple[dict[str, Any], list[str]]:
    """Read settings from environment variables.

    Args:
        variables: The variables, see `variables`.
        schema: JSON schema of the settings.
        prefix: Start of the variables' names.

    Returns:
        The settings, and the variables that match no setting. What cannot be read as its setting's
        type stays a string: the validation then says what it may be.
    """
    named = {prefix + name.upper(): name for name in schema["properties"]}
    found = {
        name: _read(variables[variable], schema["properties"][name])
        for variable, name in named.items()
        if variable in variables
    }
    # Meltano has variables with two underscores, and one for each part of an object.
    parts = tuple(
        f"{variable}_"
        for variable, name in named.items()
        if "object" in schema["properties"][name].get("type", ())
    )
    unknown = variables.keys() - named.keys() - {f"{prefix}LOGLEVEL"}
    return found, [name for name in unknown if not name.startswith((f"{prefix}_", *parts))]


def forgotten(prefix: str) -> list[str]:
    """Return what to say where a run has no key.

    Args:
        prefix: Start of the variables' names.

    Returns:
        A line, if there is a variable with the key: it is read only when asked for.
    """
    name = f"{prefix}API_KEY"
    try:
        found = name in variables(prefix)
    except InputError:
        return []
    return [f"{name} is set: environment variables are read with `--config=ENV`"] if found else []


def check_certificates() -> None:
    """Check the bundle of certificates that `requests` is told to use.

    Raises:
        InputError: If it cannot be used.
    """
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if not (bundle := os.environ.get(variable)):
            continue
        path = Path(bundle)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(**{"capath" if path.is_dir() else "cafile": bundle})
        except OSError as error:  # of SSL, too
            reason = error.strerror or error
            message = f"{variable} names {bundle}, which cannot be used: {printable(reason)}"
            raise InputError(message) from None
        return


def _read(text: str, prop: dict[str, Any]) -> object:
    types = prop.get("type", ())
    if "string" in types:
        return text
    if "boolean" in types:
        return _BOOLEANS.get(text.lower(), text)
    try:
        return json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return [item.strip() for item in text.split(",")] if "array" in types else text
