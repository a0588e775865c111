"""Ports and processes of this machine, and waiting for them."""

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: str, true: Callable[[], Any], seconds: float = 120) -> None:
    """Wait until something is true.

    Args:
        what: What is waited for, for the message.
        true: Tells whether it is so.
        seconds: How long to wait.

    Raises:
        TimeoutError: If it takes longer.
    """
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"Not in {seconds} s: {what}")
        time.sleep(0.25)


def descendants(pid: int) -> list[int]:
    """Return a process and all that it has started, by their ids."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # it has ended meanwhile
                found += map(int, children.read_text().split())
    return found


def kill(pids: list[int]) -> None:
    """Kill processes; those that have ended meanwhile are no error."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
