"""The sandbox's records in pages that are made once, and cost little to serve.

What is served is in the path: `{url}/{stream}/{records}/{latency}` is the base URL of an export that
has so many records of that stream, none of the others, and waits so many seconds before each response.
"""

import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dev.expected import KEYS
from dev.sandbox import World
from dev.sandbox.server import PATHS, Handler, Server
from dev.sandbox.world import METADATA

PAGE = 1000
_MARK = b"0badcafe"
"""How all keys begin; the number of the page replaces it, so that no key is there twice."""


@cache
def bodies() -> dict[str, list[bytes]]:
    """Return some full pages of each stream, up to where a cursor follows."""
    world = World(seed=7, visits=2500)
    pages: dict[str, list[bytes]] = {}
    for stream, key in KEYS.items():
        items = [
            {**item, key: _MARK.decode() + item[key][len(_MARK) :]} for item in world.items(stream)
        ]
        body: dict[str, Any] = {"metadata": METADATA} if stream == "events" else {}
        pages[stream] = []
        for start in range(0, len(items) - PAGE + 1, PAGE):
            body["items"] = items[start : start + PAGE]
            text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
            pages[stream].append(text.encode()[:-1])
    return pages


class _Handler(Handler):
    def do_GET(self) -> None:  # noqa: N802 - the name that the server calls
        url = urlsplit(self.path)
        stream, records, latency, path = url.path[1:].split("/")
        time.sleep(float(latency))
        number = int(parse_qs(url.query).get("cursor", ["0"])[0])
        pages = int(records) // PAGE if PATHS[f"/export/{path}"] == stream else 0
        body = b'{"items":[]'
        if number < pages:
            body = bodies()[stream][number % len(bodies()[stream])]
            body = body.replace(_MARK, b"%08x" % number)
        body += b',"nextCursor":"%d"}' % min(number + 1, pages)
        self.send(200, body)


def _serve(connection: Connection) -> None:
    sizes = {
        stream: round(sum(map(len, pages)) / len(pages) / PAGE)
        for stream, pages in bodies().items()
    }
    with Server(("127.0.0.1", 0), _Handler) as server:
        connection.send((f"http://127.0.0.1:{server.server_port}", sizes))
        server.serve_forever()


@contextmanager
def served() -> Iterator[tuple[str, dict[str, int]]]:
    """Serve the pages; yield the URL, and the bytes of an average record of each stream.

    The server is a process of its own: the peak memory that the system reports of a process is never
    less than that of the one which started it.
    """
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        yield here.recv()
    finally:
        server.terminate()
        server.join()
