"""Trouble with an encrypted connection is retried; a certificate that does not verify is fatal."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from dev.expected import STREAMS, expected_records
from dev.sandbox import Sandbox, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fixtures import Tap

_ALERT = bytes.fromhex("15 03 03 00 02 02 50")  # fatal: internal error


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


class Between:
    """Stands between the tap and a server, and meddles with some of the connections."""

    def __init__(self, port: int, spoil: list[str]) -> None:
        """Listen.

        Args:
            port: Where the server listens.
            spoil: What to do to each connection; those that follow are left alone.
        """
        self.spoil = spoil
        self.connections = 0
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._server.getsockname()[1]}/export"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                kind = self.spoil[self.connections] if self.connections < len(self.spoil) else ""
                self.connections += 1
                threading.Thread(target=self._connect, args=(client, kind), daemon=True).start()

    def _connect(self, client: socket.socket, kind: str) -> None:
        if kind in {"closed", "reset", "alert", "garbage"}:
            client.recv(65536)
            if kind == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                client.sendall({"alert": _ALERT, "garbage": b"\x00" * 64}.get(kind, b""))
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self._port))
        there = threading.Thread(target=self._pass_on, args=(client, server, 0), daemon=True)
        there.start()
        self._pass_on(server, client, 20_000 if kind == "bad record" else 0)

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket, spoiled_byte: int) -> None:
        """Copy what comes; after some bytes, change one."""
        copied = 0
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                if copied <= spoiled_byte < copied + len(data) and spoiled_byte:
                    at = spoiled_byte - copied
                    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                copied += len(data)
                sink.sendall(data)


@pytest.mark.parametrize("kind", ["closed", "reset", "alert", "garbage", "bad record"])
def test_trouble_is_retried(authority: trustme.CA, bundle: str, tap: Tap, kind: str) -> None:
    with serving(authority.issue_cert("127.0.0.1")) as sandbox:
        between = Between(sandbox.server.server_address[1], [kind, kind])
        config = sandbox.config(api_url=between.url, max_retries=3)
        output = tap(config, REQUESTS_CA_BUNDLE=bundle)
        between.close()
    assert output.code == 0, output.stderr
    assert output.stderr.count("; retry ") == 2
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
        between = Between(sandbox.server.server_address[1], [])
        output = tap(sandbox.config(api_url=between.url), REQUESTS_CA_BUNDLE=bundle)
        between.close()
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
