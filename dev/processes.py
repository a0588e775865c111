"""Ports and processes of this machine, and waiting for them."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


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
            msg = f"Not in {seconds} s: {what}"
            raise TimeoutError(msg)
        time.sleep(0.25)


def descendants(pid: int) -> list[int]:
    """Return a process and all that it has started, by their ids."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found
