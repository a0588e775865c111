"""Keeps the API key out of the logs, wherever it might get into them."""

from __future__ import annotations

import logging
import traceback


class Redaction(logging.Filter):
    """Replaces a secret in messages and tracebacks."""

    def __init__(self, secret: str) -> None:
        """Create a filter.

        Args:
            secret: What must not be seen.
        """
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a log record that has the secret in it; let all of them pass."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        if self._secret in text:
            record.msg = text.replace(self._secret, "***")
            record.args = ()
            record.exc_info = record.exc_text = None
        return True


def redact(secret: str) -> None:
    """Keep a secret out of everything that is logged from now on.

    Args:
        secret: What must not be seen.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(Redaction(secret))
