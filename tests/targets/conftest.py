"""Fixtures of targets and docs; the end of a run lists what of the docs could not be run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.postgres import Postgres, postgres
from tests.support.documents import pages, steps
from tests.support.loaded import S3Server, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    # Not in pytest's own folder: a socket's path may not be long, nor root's alone.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        with postgres(Path(folder) / "data") as server:
            yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what of README and docs can't be run here, and why, if the rest was run."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    if any("test_docs.py::test_a_page" in report.nodeid for report in reports):
        terminalreporter.section("not run of README and docs")
        for page in pages():
            for step in steps(page):
                if step.marker == "skip":
                    terminalreporter.write_line(f"{step.place}: {step.note}")
