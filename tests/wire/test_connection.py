"""Connections: `--test`, which takes seconds, and what happens where they cannot be encrypted.

Trouble with an encrypted connection is retried; a certificate that does not verify is fatal.
"""

import datetime as dt
import socket
import ssl
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from dev.sandbox import Fault, Sandbox
from tests.support.between import Between
from tests.support.fixtures import Start, Tap
from tests.support.runs import assert_all, batches


@pytest.mark.parametrize("visits", [30, 0])
def test_one_record_of_each_stream(start: Start, tap: Tap, tmp_path: Path, visits: int) -> None:
    sandbox = start(visits=visits)
    settings = {"page_size": 500, "max_retries": 0, **batches(tmp_path / "files")}
    output = tap(sandbox.config(**settings), "--test")
    assert output.last_line.endswith("Connection OK: events, sessions, users")
    assert output.stdout == ""  # a terminal or a CI log would show a person's data
    assert {request.param("pageSize") for request in sandbox.requests} == {"1"}
    assert len(sandbox.requests) == (3 if visits else 6)  # an empty page with a cursor is followed
    assert not (tmp_path / "files").exists()


def test_nobody_listens(tap: Tap, pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = {"api_key": "some-key", "api_url": f"http://127.0.0.1:{port}"}
    output = tap(config, "--test", code=1)
    assert sum(pauses) < 8
    says = f"connection to 127.0.0.1:{port} failed: Connection refused (after 2 retries)"
    assert says in output.last_line


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "limit"), [({}, 5), ({"request_timeout": 1}, 1)])
def test_nobody_answers(sandbox: Sandbox, tap: Tap, settings: dict[str, int], limit: int) -> None:
    sandbox.faults = [Fault("hang", seconds=20, times=-1)]
    started = time.monotonic()
    output = tap(sandbox.config(max_retries=0, **settings), "--test", code=1)
    assert limit < time.monotonic() - started < limit + 4
    assert f"no answer from {sandbox.url.split('/')[2]} in time" in output.last_line


def test_a_long_pause_is_not_waited_for(sandbox: Sandbox, tap: Tap, pauses: list[float]) -> None:
    sandbox.faults = [Fault(status=429, times=-1, headers={"Retry-After": "60"})]
    output = tap(sandbox.config(), "--test", code=1)
    assert pauses == []
    assert "429 Too Many Requests" in output.last_line
    assert "asks to wait 60 s, more than 5 s" in output.last_line


def test_another_word(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(), "--test=records", code=2)
    assert "is not one of 'all', 'schema', 'disabled'" in output.stderr
    assert output.stdout == ""
    assert not sandbox.requests


def test_nothing_follows_the_error(sandbox: Sandbox, tap_process: Tap) -> None:
    """Meltano has Python warn of files that were left open."""
    config = sandbox.config(api_key="wrong")
    output = tap_process(config, "--test", state={}, PYTHONWARNINGS="once")
    assert output.code == 1
    assert "`api_key`" in output.last_line
    assert len(sandbox.requests) == 1


# Encryption

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
    config = sandbox.config(api_url=sandbox.url.replace("http:", "https:"))
    output = tap(config, REQUESTS_CA_BUNDLE=bundle, code=1)
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
