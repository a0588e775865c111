"""Bodies that take forever, and bodies that no decoder takes."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import STREAMS, expected_records
from dev.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100000\r\n\r\n"

TIMEOUT = 4.0
"""In seconds: a busy machine may stop for one or two, and no read may run into its own timeout."""


@pytest.fixture
def _two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers may take two seconds, and a body another two: half a timeout each, not ten."""
    monkeypatch.setattr("tap_croct.client.DEADLINE", 2 / TIMEOUT)


class Dripping:
    """Answers the first connection drop by drop, and passes the others on."""

    def __init__(
        self,
        sandbox: Sandbox,
        head: bytes,
        drop: bytes,
        *,
        pause: float = 0.0,
    ) -> None:
        """Listen."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._port = sandbox.server.server_address[1]
        self._head, self._drop, self._pause = head, drop, pause
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/export"
        self.hung_up = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._server.accept()
        client.recv(65536)
        threading.Thread(target=self._drip, args=[client], daemon=True).start()
        while True:
            client, _ = self._server.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _drip(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            for part in [self._head[n : n + 1] for n in range(len(self._head))]:
                client.sendall(part)
                time.sleep(self._pause)
            while True:
                client.sendall(self._drop)
                time.sleep(0.03)
        self.hung_up.set()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                sink.sendall(data)


@pytest.mark.usefixtures("_two_seconds")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "drop"), [(PLAIN, b" "), (CHUNKED, b"1\r\n \r\n"), (ENDLESS, b" "), (BUSY, b" ")]
)
def test_a_body_that_drips(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch, head: bytes, drop: bytes
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.01)
    api = Dripping(sandbox, head, drop)
    output = tap(sandbox.config(api_url=api.url, request_timeout=TIMEOUT, max_retries=1))
    assert output.code == 0, output.stderr
    assert output.stderr.count("; retry ") == 1
    assert output.stderr.count("no answer from") == 1
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)


@pytest.mark.usefixtures("_two_seconds")
@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "no answer from"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", "no answer from"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", "; retry "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000000\r\n\r\n", "; retry "),
        (CHUNKED + b"ffffffffffffffff\r\n", "; retry "),
        (CHUNKED + b"fffffffffff\r\n", "; retry "),
        (CHUNKED + b"-5\r\n", "; retry "),
    ],
)
def test_headers_that_drip_and_absurd_lengths(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch, head: bytes, said: str
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.01)
    api = Dripping(sandbox, head, b"H")
    output = tap(sandbox.config(api_url=api.url, request_timeout=TIMEOUT, max_retries=1))
    assert output.code == 0, output.stderr
    assert output.stderr.count(said) == output.stderr.count("; retry ") == 1
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)


def test_one_connection_is_enough(sandbox: Sandbox, tap: Tap) -> None:
    """A body that is read to its end leaves the connection to the next request."""
    connections = []
    accept = sandbox.server.get_request

    def count() -> Any:
        connections.append(accept())
        return connections[-1]

    sandbox.server.get_request = count  # type: ignore[method-assign]
    tap(sandbox.config(page_size=50))
    assert len(sandbox.requests) > 10
    assert len(connections) == len(STREAMS)  # each of them has a session


def deep(levels: int) -> str:
    return '{"a":[' * (levels // 2) + "]}" * (levels // 2)


@pytest.mark.parametrize("newline", ["", "\n"])
@pytest.mark.parametrize("levels", [100_000, 200_000])
def test_a_record_nested_too_deeply(sandbox: Sandbox, tap: Tap, levels: int, newline: str) -> None:
    items = sandbox.world.items("sessions")[:9]
    items[7]["attributes"] = "HERE"
    pages = [{"items": items[:5], "nextCursor": "a"}, {"items": items[5:], "nextCursor": "b"}]
    bodies = [json.dumps(page).replace('"HERE"', newline + deep(levels)).encode() for page in pages]
    sandbox.faults = [
        Fault(status=200, body=body, when=lambda request: request.stream == "sessions")
        for body in bodies
    ]
    output = tap(sandbox.config())
    assert output.code == 1
    assert "sessions: page 2: a record is nested too deeply" in output.last_line
    assert len(output.records("sessions")) == 5
    assert output.state["bookmarks"]["sessions"]["cursor"] == "a"


PATHS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mapped": {"stream_maps": {"events": {"added": "'yes' if payload else 'no'"}}},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 9},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("levels", [300, 700, 850, 900, 940, 960, 980, 990, 995, 1000, 1010, 1100])
def test_nesting_around_the_limit(sandbox: Sandbox, tap: Tap, levels: int, path: str) -> None:
    """It is exported, or the error names it: it never ends in a bare Python exception."""
    items = sandbox.world.items("events")[:3]
    body = json.dumps({"items": items, "nextCursor": None})
    items[1]["payload"] = {"@type": "eventOccurred", "name": "x", "details": "HERE"}
    body = json.dumps({"items": items, "nextCursor": None}).replace('"HERE"', deep(levels))
    sandbox.faults = [
        Fault(status=200, body=body.encode(), when=lambda request: request.stream == "events")
    ]
    output = tap(sandbox.config(**PATHS[path]))
    if output.code == 0:
        assert deep(levels) in output.stdout.replace("\\", "")
    else:
        assert "events: page 1: a record is nested too deeply" in output.last_line
    assert output.code == 0 or levels >= 900  # how deep a parser goes depends on the interpreter
