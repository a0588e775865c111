"""Trouble with an encrypted connection is retried; a certificate that does not verify is fatal."""

import datetime as dt
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from dev.sandbox import Sandbox
from tests.support.between import Between
from tests.support.fixtures import Start, Tap
from tests.support.runs import assert_all

OverTls = Callable[[trustme.LeafCert], Sandbox]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def over_tls(start: Start) -> OverTls:
    """Start sandboxes with a certificate."""

    def _over_tls(certificate: trustme.LeafCert) -> Sandbox:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        sandbox = start()
        sandbox.server.socket = context.wrap_socket(sandbox.server.socket, server_side=True)
        return sandbox

    return _over_tls


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


SPOIL: dict[str, Callable[[socket.socket], None]] = {
    "closed": lambda _: None,
    "reset": reset,
    "alert": lambda client: client.sendall(bytes.fromhex("15 03 03 00 02 02 50")),  # internal error
    "garbage": lambda client: client.sendall(bytes(64)),
}


@pytest.mark.parametrize("kind", [*SPOIL, "bad record"])
def test_trouble_is_retried(
    authority: trustme.CA, bundle: str, over_tls: OverTls, tap: Tap, kind: str
) -> None:
    sandbox = over_tls(authority.issue_cert("127.0.0.1"))
    spoil = [SPOIL[kind]] * 2 if kind in SPOIL else []
    between = Between(sandbox, *spoil, spoiled_byte=-1 if spoil else 20_000)
    config = sandbox.config(api_url=f"https://{between.host}/export", max_retries=3)
    output = tap(config, REQUESTS_CA_BUNDLE=bundle)
    assert_all(output, sandbox)
    assert output.stderr.count("; retry ") == (2 if spoil else 1)


def later(days: int) -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days)


CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    # by what the last line says of them
    "certificate verify failed": lambda _: trustme.CA().issue_cert("127.0.0.1"),
    "not valid for '127.0.0.1'": lambda authority: authority.issue_cert("shop.example"),
    "certificate has expired": lambda authority: authority.issue_cert(
        "127.0.0.1", not_before=later(-9), not_after=later(-1)
    ),
}


@pytest.mark.parametrize("says", CERTIFICATES)
def test_a_certificate_that_does_not_verify(
    authority: trustme.CA, bundle: str, over_tls: OverTls, tap: Tap, says: str
) -> None:
    sandbox = over_tls(CERTIFICATES[says](authority))
    between = Between(sandbox)
    config = sandbox.config(api_url=f"https://{between.host}/export")
    output = tap(config, REQUESTS_CA_BUNDLE=bundle, code=1)
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
    output = tap(config, **{"REQUESTS_CA_BUNDLE": "", variable: str(bundle)}, code=1)
    assert f"{variable} names {bundle}, which cannot be used" in output.last_line
    assert "Traceback" not in output.stderr
