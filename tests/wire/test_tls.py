"""Trouble with an encrypted connection is retried; a certificate that does not verify is fatal."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from dev.expected import STREAMS, expected_records
from dev.sandbox import Sandbox, World
from tests.support.between import Between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.fixtures import Tap


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@contextmanager
def serving(certificate: trustme.LeafCert) -> Iterator[Sandbox]:
    """Serve a sandbox over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    sandbox = Sandbox(World(1, 30))
    sandbox.server.socket = context.wrap_socket(sandbox.server.socket, server_side=True)
    with sandbox:
        yield sandbox


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


SPOIL: dict[str, Callable[[socket.socket], None]] = {
    "closed": lambda _: None,
    "reset": reset,
    "alert": lambda client: client.sendall(bytes.fromhex("15 03 03 00 02 02 50")),  # internal error
    "garbage": lambda client: client.sendall(bytes(64)),
}


@pytest.mark.parametrize("kind", [*SPOIL, "bad record"])
def test_trouble_is_retried(authority: trustme.CA, bundle: str, tap: Tap, kind: str) -> None:
    with serving(authority.issue_cert("127.0.0.1")) as sandbox:
        between = (
            Between(sandbox, SPOIL[kind], SPOIL[kind])
            if kind in SPOIL
            else Between(sandbox, spoiled_byte=20_000)
        )
        config = sandbox.config(api_url=f"https://{between.host}/export", max_retries=3)
        output = tap(config, REQUESTS_CA_BUNDLE=bundle)
    assert output.code == 0, output.stderr
    assert output.stderr.count("; retry ") == (2 if kind in SPOIL else 1)
    for stream in STREAMS:
        assert output.records(stream) == expected_records(sandbox.world, stream)


def later(days: int) -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days)


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        ("of another authority", "certificate verify failed"),
        ("of another host", "not valid for '127.0.0.1'"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_certificate_that_does_not_verify(
    authority: trustme.CA, bundle: str, tap: Tap, certificate: str, says: str
) -> None:
    options: dict[str, Any] = {}
    if certificate == "expired":
        options = {"not_before": later(-9), "not_after": later(-1)}
    host = "shop.example" if certificate == "of another host" else "127.0.0.1"
    issuer = trustme.CA() if certificate == "of another authority" else authority
    with serving(issuer.issue_cert(host, **options)) as sandbox:
        between = Between(sandbox)
        config = sandbox.config(api_url=f"https://{between.host}/export")
        output = tap(config, REQUESTS_CA_BUNDLE=bundle)
    assert output.code == 1
    assert between.connections == 1
    assert says in output.last_line
    assert "no secure connection" in output.last_line
    assert "; retry " not in output.stderr
    assert sandbox.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_a_bundle_that_cannot_be_used(
    tap: Tap, tmp_path: Path, variable: str, content: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    config = {"api_key": "some-key", "api_url": "HTTPS://localhost:9", "max_retries": 0}
    output = tap(config, **{"REQUESTS_CA_BUNDLE": "", variable: str(bundle)})
    assert output.code == 1
    assert f"{variable} names {bundle}, which cannot be used" in output.last_line
    assert "Traceback" not in output.stderr


def test_a_server_without_tls(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(api_url=sandbox.url.replace("http:", "https:"), max_retries=1))
    assert output.code == 1
    assert "it answers without TLS" in output.last_line
    assert "should start with `http://`" in output.last_line
