"""What a run is given besides its settings: JSON files and the state."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tap_croct import times
from tap_croct.bookmark import BOOKMARK, SCOPE, Bookmark
from tap_croct.errors import InputError
from tap_croct.text import NAME_LIMIT, no_constant, printable

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable


def read_file(path: str) -> str:
    """Read a file, once: it may be a pipe, as from a process substitution.

    Args:
        path: Its path, or `-` for standard input.

    Raises:
        InputError: If it cannot be read, or is not UTF-8 text.
    """
    if path == "-":
        return read_stream(sys.stdin, "standard input")
    try:
        with Path(path).open(encoding="utf-8") as file:
            return read_stream(file, path)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise InputError(message) from None


def read_stream(file: IO[str], source: str) -> str:
    """Read an open file.

    Args:
        file: The file.
        source: What it is called in the message.

    Raises:
        InputError: If it is not UTF-8 text, or reading fails.
    """
    try:
        return file.read().removeprefix("\ufeff")  # a mark that some editors write
    except (OSError, UnicodeDecodeError) as error:
        message = f"{source} cannot be read: {error}"
        raise InputError(message) from None


def read_object(text: str, source: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        text: JSON.
        source: What it is called in the message, such as `--state`.

    Raises:
        InputError: If it is not valid JSON, or not an object.
    """
    try:
        value = json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        what = f"is not valid JSON: {error}" if text.strip() else "is empty; `{}` is a valid file"
        message = f"{source} {what}"
        raise InputError(message) from None
    if not isinstance(value, dict):
        message = f"{source} must be a JSON object"
        raise InputError(message)
    return value


def checked_state(
    state: dict[str, Any], streams: Iterable[str], logger: logging.Logger
) -> dict[str, Any]:
    """Return the bookmarks of a state, without what only an unfinished run leaves there.

    Args:
        state: A state, or a STATE message around one.
        streams: Names of the streams.
        logger: For a warning about bookmarks of other streams.

    Returns:
        The state; bookmarks of other streams are kept as they are.

    Raises:
        InputError: If something in it cannot be a bookmark.
    """
    if state.get("type") == "STATE":
        state = state.get("value", {})
    if not state:
        return {}
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict):
        message = (
            'The state must look like {"bookmarks": {"events": {…}}}; with `{}`, everything is '
            "exported from the beginning"
        )
        raise InputError(message)
    for name, bookmark in bookmarks.items():
        text = printable(name, NAME_LIMIT)
        if not isinstance(bookmark, dict):
            message = f"The state of {text} must be an object"
            raise InputError(message)
        if name not in streams:
            logger.warning(
                "The state has a bookmark of %s, which is not a stream of this tap: "
                "it is ignored, and kept in the state",
                text,
            )
    return {
        "bookmarks": {
            name: _checked_bookmark(name, bookmark) if name in streams else bookmark
            for name, bookmark in bookmarks.items()
        }
    }


def _checked_bookmark(stream: str, bookmark: dict[str, Any]) -> dict[str, Any]:
    checked = {name: bookmark[name] for name in BOOKMARK if bookmark.get(name) not in (None, "")}
    for name, value in checked.items():
        if name != SCOPE and not isinstance(value, str):
            message = (
                f"The state of {stream} has a `{name}` that is not a string. Without its `cursor`, "
                "the export resumes by its replication key; without its bookmark, it starts from "
                "the beginning"
            )
            raise InputError(message)
    try:
        times.parse(checked.get("replication_key_value", "2000-01-01"))
    except (ValueError, OverflowError):
        message = f"The state of {stream} has a `replication_key_value` that is not a time"
        raise InputError(message) from None
    if bookmark.get(SCOPE) is not None:
        checked[SCOPE] = bookmark[SCOPE]
        if not isinstance(checked[SCOPE], dict):
            message = f"The state of {stream} has a `{SCOPE}` that is not an object"
            raise InputError(message)
        try:
            Bookmark.of(checked)
        except ValueError:
            message = (
                f"The state of {stream} has a `{SCOPE}` that cannot be read. Without it, the "
                "export resumes as if nothing had been changed since"
            )
            raise InputError(message) from None
    return checked
