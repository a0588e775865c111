"""A server of the sandbox's pages, made once and served from memory.

`python -m dev.bench.pages` prints its URL and the average sizes of the records. What it serves is
in the path: `{url}/{stream}/{records}/{latency}` is the base URL of an export that has so many
records of that stream, none of the others, and waits so many seconds before each answer. It is
meant to cost as little as possible beside what is measured.
"""

from __future__ import annotations

import json
import re
import socketserver
import time

from dev.expected import KEYS
from dev.sandbox import World
from dev.sandbox.world import METADATA

PAGE = 1000
USERS = 1000
PATHS = {b"events": b"/events?", b"sessions": b"/session?", b"users": b"/user?"}
_REQUEST = re.compile(rb"GET /(\w+)/(\d+)/([\d.]+)(/\w+\?)")
_CURSOR = re.compile(rb"cursor=(\d+)")
_MARK = "0badcafe"
"""How all keys begin; the number of the page replaces it, so that no key is there twice."""


def make_pages() -> dict[bytes, list[bytes]]:
    """Return the beginnings of some full pages of each stream; a cursor is to follow."""
    world = World(seed=7, visits=0)
    while len(world.items("users")) < USERS:
        world.visits(200)
    return {stream.encode(): _pages(world, stream) for stream in KEYS}


def _pages(world: World, stream: str) -> list[bytes]:
    items = world.items(stream)
    key = KEYS[stream]
    for item in items:
        item[key] = _MARK + item[key][len(_MARK) :]
    more = {"metadata": METADATA} if stream == "events" else {}
    return [
        json.dumps(
            {"items": items[start : start + PAGE], **more},
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()[:-1]
        for start in range(0, len(items) - PAGE + 1, PAGE)
    ]


def answer(request: bytes, bodies: dict[bytes, list[bytes]]) -> tuple[bytes, float]:
    """Return the answer to a request, and the seconds that it takes.

    Args:
        request: The first line of the request.
        bodies: The pages.
    """
    found = _REQUEST.match(request)
    if found is None:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0.0
    stream, records, latency, path = found.groups()
    cursor = _CURSOR.search(request)
    page = int(cursor[1]) if cursor else 0
    pages = int(records) // PAGE
    inner = b'{"items":[]'
    if page < pages and path == PATHS[stream]:
        inner = bodies[stream][page % len(bodies[stream])]
        inner = inner.replace(_MARK.encode(), b"%08x" % page)
    body = inner + b',"nextCursor":"%d"}' % min(page + 1, pages)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body, float(latency)


def serve() -> None:
    """Serve until the process is ended."""
    bodies = make_pages()

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            while request := self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                response, latency = answer(request, bodies)
                time.sleep(latency)
                self.wfile.write(response)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        sizes = {
            stream.decode(): round(sum(map(len, pages)) / len(pages) / PAGE)
            for stream, pages in bodies.items()
        }
        print(f"http://127.0.0.1:{server.server_address[1]}", json.dumps(sizes), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve()
