"""The log: clean records, no misleading lines, and a last word that is always seen."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from tap_croct.errors import InputError
from tap_croct.redaction import redacted
from tap_croct.text import escaped, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_OWN = ("tap-croct", "tap_croct", "singer_sdk")
_MISLEADING = (
    "An unhandled error occurred",  # it is handled: the last line explains it
    "Config validation failed",  # said after the lines that say what is wrong
    "Skipping parse of env var settings",
    "Selection metadata omitted",  # one line for each property and page
)


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


def prepare(configure: Callable[[], Any], loggers: Iterable[str] = ()) -> Any:
    """Configure the log.

    Args:
        configure: Configures the log as the SDK does, with the level and the file that the
            environment names.
        loggers: Names of loggers that are going to be used.

    Returns:
        What `configure` returns.

    Raises:
        InputError: If that is not a configuration.
    """
    clean_records()
    if not os.environ.get("SINGER_SDK_LOG_CONFIG"):  # the SDK would read the folder "."
        os.environ.pop("SINGER_SDK_LOG_CONFIG", None)
    try:
        result = configure()
    except Exception as error:
        file = os.environ.get("SINGER_SDK_LOG_CONFIG")
        what = f"{file} (SINGER_SDK_LOG_CONFIG)" if file else "TAP_CROCT_LOGLEVEL or LOGLEVEL"
        message = f"The log cannot be configured as {what} says: {printable(error)}"
        raise InputError(message) from error
    for name in (*_OWN, *loggers, *logging.root.manager.loggerDict):
        if name.split(".")[0] in _OWN:
            logger = logging.getLogger(name)
            # `dictConfig` silences what exists by then, unless it is told not to.
            logger.disabled = False
            logger.addFilter(_is_helpful)
    threading.excepthook = _log_uncaught
    return result


def last_word(logger: logging.Logger, lines: Iterable[str]) -> None:
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
    """Tell whether an error would reach a handler of the logger, or of those above it."""
    if not logger.isEnabledFor(logging.ERROR):
        return False
    above: logging.Logger | None = logger
    handlers: list[logging.Handler] = []
    while above is not None:
        handlers += above.handlers
        above = above.parent if above.propagate else None
    return not handlers or any(
        handler.level <= logging.ERROR and not isinstance(handler, logging.NullHandler)
        for handler in handlers
    )


def _log_uncaught(caught: threading.ExceptHookArgs) -> None:
    error = caught.exc_value
    logging.getLogger(_OWN[0]).error("An error in a thread: %s", error, exc_info=error)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - `logging` reports it when the record is formatted
        return str(record.msg)


def _clean(text: str) -> str:
    return escaped(redacted(text), keep="\n\t")
