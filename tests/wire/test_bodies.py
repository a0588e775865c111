"""Responses that take forever, and lengths that nobody can have meant."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.between import Between
from tests.support.runs import assert_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from dev.sandbox import Sandbox
    from tests.support.fixtures import Tap

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100000\r\n\r\n"

_sleep = time.sleep


def dripping(head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Answer drop by drop, until the client is gone."""

    def drip(client: socket.socket) -> None:
        with suppress(OSError):
            client.sendall(head)
            while True:
                client.sendall(drop)
                _sleep(0.03)

    return drip


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
    drip = dripping(*response)
    between = Between(sandbox, drip, tls=tls if scheme == "https" else None)
    url = f"{scheme}://{between.host}/export"
    config = sandbox.config(api_url=url, request_timeout=0.4, max_retries=5)
    started = time.monotonic()
    output = tap(config, REQUESTS_CA_BUNDLE=str(tmp_path / "ca.pem"))
    assert_all(output, sandbox)
    assert 4 <= time.monotonic() - started < 20
    assert "no answer from 127.0.0.1" in output.stderr


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
    between = Between(sandbox, dripping(head, b"H"))
    url = f"http://{between.host}/export"
    output = tap(sandbox.config(api_url=url, request_timeout=0.1, max_retries=5))
    assert_all(output, sandbox)
    assert "; retry 1 of 5" in output.stderr
