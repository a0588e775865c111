"""The log: no secrets, no control characters, no misleading lines, a last word."""

from __future__ import annotations

import io
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tap_croct import logs, redaction

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "k3y-0f-th3-sh0p"


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_secrets", set())
    factory = logging.getLogRecordFactory()
    hook = threading.excepthook
    redaction.redact(KEY)
    logs.clean_records()
    yield
    logging.disable(logging.NOTSET)
    logging.setLogRecordFactory(factory)
    threading.excepthook = hook


@contextmanager
def listening(name: str | None) -> Iterator[io.StringIO]:
    """Collect what a handler on a logger writes."""
    logger = logging.getLogger(name)
    handler = logging.StreamHandler(text := io.StringIO())
    logger.addHandler(handler)
    try:
        yield text
    finally:
        logger.removeHandler(handler)


@pytest.mark.parametrize("where", [None, "tap-croct", "urllib3", "some.library"])
class TestRecords:
    """Wherever a handler sits."""

    def test_messages(self, where: str | None) -> None:
        with listening(where) as text:
            logging.getLogger(where).error("It is %s", KEY)
            logging.getLogger(where).error("It is " + KEY + "\x1b[31m\u202e")  # noqa: G003
            logging.getLogger(where).error("%s of %d", "some", 5)
        assert text.getvalue() == "It is ***\nIt is ***\\x1b[31m\\u202e\nsome of 5\n"

    def test_tracebacks(self, where: str | None) -> None:
        with listening(where) as text:
            try:
                try:
                    raise ValueError(KEY)
                except ValueError as error:
                    message = "outer"
                    raise RuntimeError(message) from error
            except RuntimeError:
                logging.getLogger(where).exception("It is %s", KEY)
        assert KEY not in text.getvalue()
        assert "It is ***\nTraceback" in text.getvalue()
        assert "ValueError: ***" in text.getvalue()
        assert "RuntimeError: outer" in text.getvalue()

    def test_a_message_that_cannot_be_formatted(self, where: str | None) -> None:
        with listening(where) as text:
            logging.raiseExceptions = False
            try:
                logging.getLogger(where).error("%d", "x")
            finally:
                logging.raiseExceptions = True
        assert text.getvalue() == ""


def test_an_ordinary_traceback_is_left_alone() -> None:
    with listening("tap-croct") as text:
        try:
            raise ValueError
        except ValueError:
            logging.getLogger("tap-croct").exception("oh")
    assert text.getvalue().startswith("oh\nTraceback")
    assert "\n    raise ValueError\n" in text.getvalue()


def test_an_error_in_a_thread() -> None:
    def fail() -> None:
        raise ValueError(KEY)

    logs.prepare(lambda: None)
    with listening("tap-croct") as text:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert "An error in a thread: ***" in text.getvalue()
    assert KEY not in text.getvalue()


def test_misleading_lines_are_dropped() -> None:
    logs.prepare(lambda: None)
    logger = logging.getLogger("singer_sdk.singerlib.catalog")
    with listening(None) as text:
        logger.error("Selection metadata omitted for '%s'", "x")
        logger.error("something else")
    assert text.getvalue() == "something else\n"


def test_loggers_that_were_disabled() -> None:
    logger = logging.getLogger("tap-croct")
    logger.disabled = True
    logs.prepare(lambda: setattr(logger, "disabled", True))
    assert not logger.disabled


@pytest.mark.parametrize("how", ["level", "handler", "null", "no propagation"])
def test_a_last_word_that_no_handler_would_take(
    how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.Logger("deaf")  # noqa: LOG001 - one that stays out of the tree
    handler: logging.Handler = logging.StreamHandler(io.StringIO())
    if how == "level":
        logger.setLevel(logging.CRITICAL)
    elif how == "handler":
        handler.setLevel(logging.CRITICAL)
    else:
        handler = logging.NullHandler()
    logger.propagate = False
    logger.addHandler(handler)
    logs.last_word(logger, ["one", f"two {KEY}\x1b"])
    assert capsys.readouterr().err == "tap-croct: one\ntap-croct: two ***\\x1b\n"


def test_a_last_word_that_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("alert")  # noqa: LOG001
    handler = logging.StreamHandler(text := io.StringIO())
    logger.addHandler(handler)
    logs.last_word(logger, ["one"])
    logger.critical("too late")  # as of the thread that fetches
    assert text.getvalue() == "one\n"
    assert capsys.readouterr().err == ""
