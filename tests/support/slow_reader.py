"""Reading what a process writes as a slow target does."""

import io
import subprocess
import threading
from collections.abc import Iterator
from typing import cast

_NEVER = threading.Event()


def lines_of(process: subprocess.Popen[bytes], *, pause: float, every: int = 1) -> Iterator[bytes]:
    """Yield the lines that a process writes, as they come, until it ends well.

    Args:
        process: A process with pipes for its output.
        pause: Seconds to wait now and then, in which the pipe fills up.
        every: How many records to read before each pause.

    Raises:
        AssertionError: If its exit code is not 0.
    """
    records = 0
    with io.BufferedReader(cast("io.RawIOBase", process.stdout), 8192) as reader:
        for line in reader:
            yield line
            if line.startswith(b'{"type":"RECORD"'):
                records += 1
                if records % every == 0:
                    _NEVER.wait(pause)
    assert process.wait(timeout=30) == 0
