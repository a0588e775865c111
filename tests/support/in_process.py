"""Running the tap in the process of the tests: a run costs milliseconds, a process half a second.

What is global to a process is as a new process has it during the run, and as it was afterwards.
"""

import gc
import io
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import pytest

from dev.running import Output, arguments, clean_environment
from tap_croct.__main__ import main


def run_tap_in_process(
    folder: Path,
    config: dict[str, Any] | None,
    *args: str,
    state: object = None,
    catalog: object = None,
    timeout: float = 60,
    **environment: str,
) -> Output:
    """Run the tap, with the arguments and the outcome of `dev.running.run_tap`.

    Args:
        folder: Working directory of the run, and where its files are written.
        config: Settings for `--config`; none, if nothing is to be given.
        args: More arguments.
        state: Content of the file for `--state`: JSON, or text as it is.
        catalog: Content of the file for `--catalog`.
        timeout: Seconds after which the test fails.
        environment: More environment variables.
    """
    command = ["tap-croct", *arguments(folder, config, *args, state=state, catalog=catalog)]
    # Files, because the tap may write to what is below the text stream, down to its descriptor.
    with _stream() as stdout, _stream() as stderr:
        with (
            pytest.MonkeyPatch.context() as patch,
            mock.patch.dict(os.environ, clean_environment(**environment), clear=True),
            _signal_handlers(timeout),
            _logging_as_new(),
            mock.patch.multiple(gc, freeze=mock.DEFAULT, set_threshold=mock.DEFAULT),
        ):
            patch.setattr(sys, "argv", command)
            patch.setattr(sys, "stdout", stdout)
            patch.setattr(sys, "stderr", stderr)
            patch.chdir(folder)
            code = _exit_code()
        return Output(code, _content(stdout), _content(stderr))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(tempfile.TemporaryFile(), encoding="utf-8", errors="backslashreplace")


def _content(stream: io.TextIOWrapper) -> str:
    stream.flush()
    file = stream.fileno()
    return os.pread(file, os.fstat(file).st_size, 0).decode()


def _exit_code() -> int:
    """Run the command; return the exit code as the interpreter would make it."""
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextmanager
def _signal_handlers(timeout: float) -> Iterator[None]:
    def fail(_signum: int, _frame: FrameType | None) -> None:
        pytest.fail(f"The tap did not end within {timeout} seconds")

    before = {
        signum: signal.getsignal(signum)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    }
    signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def _logging_as_new() -> Iterator[None]:
    """Give the run a root logger without handlers; undo what it configures."""
    root = logging.getLogger()
    loggers = _loggers()
    before = [(x, x.level, list(x.handlers), x.propagate, x.disabled) for x in loggers]
    filters = root.filters
    factory = logging.getLogRecordFactory()
    root.handlers, root.filters = [], []
    try:
        yield
    finally:
        for new in _loggers():
            if new not in loggers:
                new.setLevel(logging.NOTSET)
                new.handlers, new.propagate, new.disabled = [], True, False
        for logger, level, handlers, propagate, disabled in before:
            logger.setLevel(level)
            logger.handlers, logger.propagate, logger.disabled = handlers, propagate, disabled
        root.filters = filters
        logging.setLogRecordFactory(factory)
        logging.disable(logging.NOTSET)


def _loggers() -> list[logging.Logger]:
    root = logging.getLogger()
    named = root.manager.loggerDict.values()
    return [root, *(logger for logger in named if isinstance(logger, logging.Logger))]
