"""The tap as a process: exit codes and what is on which stream; the same as in process.

Most tests run the tap in their own process. These hold that against the real thing, for each kind
of run and each kind of end.
"""

import re
from typing import Any, NamedTuple

import pytest

from dev.expected import STREAMS, expected_records
from dev.sandbox import Fault, Sandbox
from tests.support.fixtures import Tap

VARIES = [
    # what differs from run to run, and what takes its place
    (r"(?m)^.*SingerSDKPythonEOLWarning: .*\n *warn_python_eol\(\)\n+", ""),  # once a process
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|\+00:00)?", "TIME"),
    (r'"(value|pid)":[-\d.e]+', r'"\1":N'),
    (r"[\d,]+/s|\d+\.\d s|in \d+ s", "DURATION"),
    (r"python -m [\w.-]+|tap-croct(?= (?:\[OPTIONS|--help))", "PROGRAM"),
    (r"File \"[^\"]+\", line \d+", "PLACE"),
]


class Run(NamedTuple):
    """A run of the tap, and how it should end."""

    code: int
    stderr: str = ""
    """What the log has to say."""

    settings: dict[str, Any] | None = {}  # noqa: RUF012 - nothing changes it
    """Settings besides those that lead to the sandbox; None for no configuration."""

    args: tuple[str, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - nothing changes it
    fault: int = 0
    """Status of an answer that is in the way."""


RUNS = {
    "export": Run(0, "done (caught up)"),
    "retried": Run(0, "; retry 1 of ", fault=503),
    "wrong setting": Run(1, "page_size: must be", {"page_size": 0}),
    "wrong state": Run(1, "--state", options={"state": "{"}),
    "unknown option": Run(2, "--nonsense", args=("--nonsense",)),
    "traceback": Run(1, "Traceback", {"api_key": "wrong"}, options={"TAP_CROCT_LOGLEVEL": "DEBUG"}),
    "test": Run(0, args=("--test",)),
    "discover": Run(0, "", None, ("--discover",)),
    "about": Run(0, "", None, ("--about",)),
    "version": Run(0, "", None, ("--version",)),
}


def same(text: str) -> list[str]:
    """Return the lines of an output without what differs from run to run."""
    for pattern, replacement in VARIES:
        text = re.sub(pattern, replacement, text)
    return text.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_in_process_and_as_a_process(
    sandbox: Sandbox, tap: Tap, tap_process: Tap, name: str
) -> None:
    run = RUNS[name]
    outputs = []
    for runner in (tap_process, tap):
        sandbox.faults = [Fault(status=run.fault)] if run.fault else []
        config = None if run.settings is None else {**sandbox.config(), **run.settings}
        outputs.append(runner(config, *run.args, **run.options))
    process, in_process = outputs
    assert process.code == run.code
    assert run.stderr in process.stderr
    if run.code == 0 and not run.args:
        for stream in STREAMS:
            assert process.records(stream) == expected_records(sandbox.world, stream)
    assert in_process.code == process.code
    assert same(in_process.stdout) == same(process.stdout)
    assert sorted(same(in_process.stderr)) == sorted(same(process.stderr))
