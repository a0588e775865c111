"""The process ends without taking its modules apart, and leaves nothing out that is seen."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from dev.running import TAP, clean_environment, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

MEMORY: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
        "memory": {
            "class": "logging.handlers.MemoryHandler",
            "capacity": 10_000,
            "flushLevel": 50,
            "target": "stderr",
        },
    },
    "root": {"level": "INFO", "handlers": ["memory"]},
}


def test_lines_of_the_log_that_a_handler_keeps_back(
    sandbox: Sandbox, tap_process: Callable[..., Output], tmp_path: Path
) -> None:
    config = write(tmp_path / "logging.json", MEMORY)
    output = tap_process(sandbox.config(), SINGER_SDK_LOG_CONFIG=config)
    assert output.code == 0, output.stderr
    assert "Done: 3 streams" in output.stderr


def test_a_profiler_gets_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures"
    command = [sys.executable, "-m", "cProfile", "-o", str(figures), *TAP[1:], "--version"]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    assert figures.stat().st_size > 1000
