"""The end of a run lists what of the docs could not be run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.documents import pages, steps

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what of README and docs can't be run here, and why, if the rest was run."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    if any("test_docs.py::test_a_page" in report.nodeid for report in reports):
        terminalreporter.section("not run of README and docs")
        for page in pages():
            for step in steps(page):
                if step.marker == "skip":
                    terminalreporter.write_line(f"{step.place}: {step.note}")
