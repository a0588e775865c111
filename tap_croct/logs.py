"""Texts for people (no secrets, no control characters, cut), spelling guesses, and the log."""

import contextlib
import difflib
import json
import logging
import re
import sys
import traceback
import uuid
from collections.abc import Collection, Iterable
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

TEXT_LIMIT = 300
"""Characters of one text that a message quotes."""

NAME_LIMIT = 80
"""Characters of a name in a list of names."""

LIST_LIMIT = 50
"""Names that a list in a message contains."""

MISSPELT = 0.8
"""How similar a name must be to a known one to be taken for a misspelling, 0 to 1."""

_SIMILAR = 0.6  # enough to suggest a name
_ESCAPE = re.compile("%[0-9A-F]{2}")
_SHORTEST = 4  # characters: anything shorter is not a secret, and part of many words
_OWN = ("tap-croct", "tap_croct", "singer_sdk", "urllib3")
_MISLEADING = (
    "An unhandled error occurred",  # it is handled: the last line explains it
    "Config validation failed",  # said after the lines that say what is wrong
    "Skipping parse of env var settings",  # they are read before the SDK would
    "Selection metadata omitted",  # one line for each property and page
    "Filter result for",  # quotes a record, as the next one does
    "Failed to parse headers",
)
_secrets: set[str] = set()


# Secrets


def redact(secret: str) -> None:
    """Have `redacted` remove a secret from now on.

    Args:
        secret: What must not be seen: as it is, nor as it looks in a URL or in JSON; a UUID in none
            of its notations. One of fewer than four characters is not removed.
    """
    if len(secret) >= _SHORTEST:
        raw = secret.encode(errors="surrogatepass")  # the environment may have broken text
        urls = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
        lower = {_ESCAPE.sub(lambda found: found[0].lower(), form) for form in urls}
        _secrets.update({secret, json.dumps(secret)[1:-1]} | urls | lower)
    with contextlib.suppress(ValueError):
        same = uuid.UUID(secret)  # as a server may write it
        _secrets.update({str(same), str(same).upper(), same.hex, same.hex.upper()})


def redacted(text: str) -> str:
    """Return a text without the secrets.

    Args:
        text: A text that was not cut: half a key would not be recognized.
    """
    for secret in sorted(_secrets, key=len, reverse=True):  # a short form may be part of a long one
        text = text.replace(secret, "***")
    return text


# Texts


def printable(value: object, limit: int = TEXT_LIMIT) -> str:
    """Return a value from outside as one line that can be logged.

    Secrets are redacted before the text is cut: half a key is still a secret. Everything that is
    not printable is escaped as in Python source: control characters (C0 and C1), line and
    paragraph separators, bidirectional and zero-width marks, unpaired surrogates.

    Args:
        value: A text, or whatever stands where a text was expected.
        limit: Length at which the text is cut, in characters.

    Returns:
        The text; a cut one ends with its length.
    """
    text = redacted(value if isinstance(value, str) else _text(value))
    cut = escaped(text[:limit])
    return cut if len(text) <= limit else f"{cut}… ({len(text):,} characters)"


def escaped(text: str, keep: str = "") -> str:
    r"""Escape what is not printable, as in Python source (`\x1b`, `\u2028`).

    Args:
        text: A text.
        keep: Characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def listed(names: Collection[object], limit: int = LIST_LIMIT) -> str:
    """Return names from outside as a list that can be logged, in alphabetical order.

    Args:
        names: The names.
        limit: How many to list; the others are counted.

    Returns:
        Such as `a, b and 4,950 more`.
    """
    shown = sorted(printable(name, NAME_LIMIT) for name in names)[:limit]
    left = len(names) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def counted(number: int, one: str) -> str:
    """Return a number with its noun.

    Args:
        number: How many.
        one: The noun in the singular.

    Returns:
        Such as `1 retry` or `1,200 retries`.
    """
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number:,} {one if number == 1 else many}"


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
    lower = {word.lower().removeprefix(prefix.lower()): word for word in known}
    word = name.lower().removeprefix(prefix.lower())[:NAME_LIMIT]
    names = [f'"{lower[w]}"' for w in difflib.get_close_matches(word, lower, cutoff=similarity)]
    if not names:
        return ""
    return f"; did you mean {' or '.join(filter(None, [', '.join(names[:-1]), names[-1]]))}?"


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


def no_constant(name: str) -> NoReturn:
    """Reject what Python takes for JSON, and nothing else does: NaN passes every limit.

    Args:
        name: `NaN`, `Infinity` or `-Infinity`.

    Raises:
        ValueError: Always.
    """
    message = f"it has {name}, which is not a number of JSON"
    raise ValueError(message)


def _text(value: object) -> str:
    try:
        return str(value)
    except (RecursionError, ValueError):  # nested too deeply; an integer of thousands of digits
        return f"({type(value).__name__})"


# The log


class CleanRecord(logging.LogRecord):
    """A log record without secrets and control characters, whatever handler it reaches."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create a record; see `logging.LogRecord`."""
        super().__init__(*args, **kwargs)
        text = _message(self)
        clean = _clean(text)
        if clean != text:
            self.msg, self.args = clean, ()
        if self.exc_info:
            details = "".join(traceback.format_exception(*self.exc_info))
            if _clean(details) != details:
                self.msg = f"{clean}\n{_clean(details).rstrip()}"
                self.args = ()
                self.exc_info = self.exc_text = None


def clean_records() -> None:
    """Make every log record of this process a `CleanRecord`."""
    logging.setLogRecordFactory(CleanRecord)


def prepare(loggers: Iterable[str]) -> None:
    """Undo what a logging configuration does to loggers that exist, and drop misleading lines.

    Args:
        loggers: Names of loggers that are going to be used.
    """
    for name in (*_OWN, *loggers, *logging.root.manager.loggerDict):
        if name.split(".")[0] in _OWN:
            logger = logging.getLogger(name)
            # By default, `dictConfig` silences all loggers that exist.
            logger.disabled = False
            logger.addFilter(_is_helpful)


def last_lines(logger: logging.Logger, lines: Iterable[str]) -> None:
    """Log an error, or write it to standard error where no handler takes it.

    Nothing is logged after it: the thread that fetches pages may still be at work.

    Args:
        logger: The logger.
        lines: The lines that explain the error.
    """
    heard = _is_heard(logger)
    logging.disable()
    for line in lines:
        if heard:
            logger.handle(
                logger.makeRecord(logger.name, logging.ERROR, __file__, 0, line, (), None)
            )
        elif sys.stderr is not None:
            sys.stderr.write(f"tap-croct: {_clean(line)}\n")


def _is_helpful(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_MISLEADING)


def _is_heard(logger: logging.Logger) -> bool:
    """Tell whether an error would reach a handler of the logger, or of the root above it."""
    handlers = [*logger.handlers, *(logging.root.handlers if logger.propagate else ())]
    heard = not handlers or any(
        handler.level <= logging.ERROR and not isinstance(handler, logging.NullHandler)
        for handler in handlers
    )
    return heard and logger.isEnabledFor(logging.ERROR)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - `logging` reports it when the record is formatted
        return str(record.msg)


def _clean(text: str) -> str:
    return escaped(redacted(text), keep="\n\t")
