"""A server of the sandbox's pages of events, made once and served from memory.

`python -m dev.bench.pages PAGES [LATENCY]` prints its URL; it is meant to cost as little as
possible beside what is measured.
"""

from __future__ import annotations

import itertools
import json
import re
import socketserver
import sys
import time

from dev.sandbox import World
from dev.sandbox.world import METADATA

PAGE = 1000
DISTINCT = 20
_CURSOR = re.compile(rb"cursor=(\d+)")


def make_pages() -> list[bytes]:
    """Return the inner part of some full pages."""
    world = World(seed=7, visits=0)
    while len(world.logs["events"].entries) < PAGE * DISTINCT:
        world.visits(200)
    events = iter(world.items("events"))
    return [
        json.dumps(
            {"items": list(itertools.islice(events, PAGE)), "metadata": METADATA},
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()[:-1]
        for _ in range(DISTINCT)
    ]


def serve(pages: int, latency: float) -> None:
    bodies = make_pages()

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            while request := self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                time.sleep(latency)
                self.wfile.write(answer(request))

    def answer(request: bytes) -> bytes:
        found = _CURSOR.search(request)
        page = int(found[1]) if found else 0
        ended = page >= pages or not request.startswith(b"GET /events")
        inner = b'{"items":[]' if ended else bodies[page % DISTINCT]
        body = inner + b',"nextCursor":"%d"}' % min(page + 1, pages)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % len(body) + body

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        size = sum(map(len, bodies)) / PAGE / DISTINCT
        print(f"http://127.0.0.1:{server.server_address[1]}", round(size), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
