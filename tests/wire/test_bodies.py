"""Responses that take forever, and lengths that nobody can have meant."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from dev.expected import STREAMS, expected_records

if TYPE_CHECKING:
    from pathlib import Path

    from dev.sandbox import Sandbox
    from tests.support.fixtures import Tap

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100000\r\n\r\n"

_sleep = time.sleep


class Dripping:
    """Answers the first connection drop by drop, and passes the others on."""

    def __init__(
        self, sandbox: Sandbox, head: bytes, drop: bytes, *, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._port = sandbox.server.server_address[1]
        self._head, self._drop, self._tls = head, drop, tls
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.getsockname()[1]}/export"
        self.hung_up = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client = self._accept()
        client.recv(65536)
        threading.Thread(target=self._drip, args=[client], daemon=True).start()
        while True:
            client = self._accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _accept(self) -> socket.socket:
        client, _ = self._server.accept()
        return self._tls.wrap_socket(client, server_side=True) if self._tls else client

    def _drip(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            client.sendall(self._head)
            while True:
                client.sendall(self._drop)
                _sleep(0.03)
        self.hung_up.set()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                sink.sendall(data)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "response",
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"H"),
        (PLAIN, b" "),
        (CHUNKED, b"1\r\n \r\n"),
        (ENDLESS, b" "),
        (BUSY, b" "),
    ],
)
def test_a_response_that_drips(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, scheme: str, response: tuple[bytes, bytes]
) -> None:
    """Ten timeouts for its headers, and ten for its body; then it is retried."""
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    api = Dripping(sandbox, *response, tls=tls if scheme == "https" else None)
    config = sandbox.config(api_url=api.url, request_timeout=0.4, max_retries=5)
    started = time.monotonic()
    output = tap(config, REQUESTS_CA_BUNDLE=str(tmp_path / "ca.pem"))
    assert output.code == 0, output.stderr
    assert 4 <= time.monotonic() - started < 20
    assert "no answer from 127.0.0.1" in output.stderr
    if response[0].endswith(b"\r\n\r\n"):  # without headers, there is nothing to hang up yet
        assert api.hung_up.wait(10)
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12, 13\r\n\r\n",
        CHUNKED + b"ffffffffffffffff\r\n",
        CHUNKED + b"fffffffffff\r\n",
        CHUNKED + b"-5\r\n",
    ],
)
def test_absurd_lengths(sandbox: Sandbox, tap: Tap, head: bytes) -> None:
    api = Dripping(sandbox, head, b"H")
    output = tap(sandbox.config(api_url=api.url, request_timeout=0.5, max_retries=5))
    assert output.code == 0, output.stderr
    assert "; retry 1 of 5" in output.stderr
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
