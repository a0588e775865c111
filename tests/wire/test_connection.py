"""Connections: `--test`, which takes seconds, what is not encrypted, and the environment of a run.

Trouble with an encrypted connection is retried; a certificate that does not verify is fatal.
"""

import datetime as dt
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from dev.environments import ROOT
from dev.running import TAP, clean_environment
from dev.sandbox import Fault, Sandbox
from tests.support.between import Between
from tests.support.fixtures import Start, Tap
from tests.support.runs import assert_all, batches


@pytest.mark.parametrize("visits", [30, 0])
def test_one_record_of_each_stream(start: Start, tap: Tap, tmp_path: Path, visits: int) -> None:
    sandbox = start(visits=visits)
    settings = {"page_size": 500, "max_retries": 0, **batches(tmp_path / "files", batch_size=1)}
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


# The key as it arrives, the working directory, and proxies

KEY = "5f0c1c1e-7a3b-4d7e-9b62-0c3f6f1e8a11"


KEYS = [
    (KEY, ""),
    (KEY.upper(), ""),
    (f'"{KEY}"', "api_key: stands in quotes"),
    (f"'{KEY}'", "api_key: stands in quotes"),
    ("sandbox-key", "api_key: is not a version 4 UUID"),
    ("5f0c1c1e-7a3b-1d7e-9b62-0c3f6f1e8a11", "api_key: is not a version 4 UUID"),
]


@pytest.mark.parametrize(("key", "warning"), KEYS)
def test_a_key_that_is_probably_wrong(sandbox: Sandbox, tap: Tap, key: str, warning: str) -> None:
    sandbox.faults = [Fault(status=401, body=f'{{"title": "{KEY} is unknown"}}'.encode())]
    output = tap(sandbox.config(api_key=key), code=1)
    assert [warning in line for line in output.warnings] == [True] * bool(warning)
    assert key not in output.stderr
    assert key.strip("'\"") != KEY or KEY not in output.stderr


def test_no_configuration_at_all(tap: Tap) -> None:
    output = tap(None, code=1)
    assert "api_key: is required" in output.last_line
    assert "--config" in output.last_line


@pytest.mark.parametrize(("path", "shown"), [("", "--config ''"), (f"key: {KEY} a/b", "--config")])
def test_what_is_not_a_path(tap: Tap, path: str, shown: str) -> None:
    output = tap(None, "--config", path, code=2)
    assert f": {shown} cannot be read" in output.stderr
    assert KEY not in output.stderr


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = ["sh", "-c", 'cd gone && rmdir ../gone && exec "$@"', "sh", *TAP, "--config=ENV"]
    variables = clean_environment(PYTHONPATH=str(ROOT), TAP_CROCT_API_KEY=KEY)
    done = subprocess.run(command, cwd=tmp_path, env=variables, check=False, capture_output=True)
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-1]
    assert "The working directory, or the `.env` in it, cannot be read" in last


ABROAD = {"api_key": KEY, "api_url": "https://127.0.0.1:9/export", "max_retries": 0}
VARIABLES = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"]
PASSWORDS = ["pass#word", "p/ss", "pa ss", "p@ss:word", "pass?word", "pa[ss", "geheim%20"]
NO_PROXIES = [
    "somebody:geheim@127.0.0.1:1",
    "foo://somebody:geheim@127.0.0.1:1",
    r"http://somebody:geheim\dienst@127.0.0.1:1",
    "http://somebody:123/geheim@127.0.0.1:1",
    "http://somebody:geheim@127.0.0.1:1\n",
    "http://somebody:geheim@127.0.0.1:99999",
    "http://somebody:geheim@",
    '"http://somebody:geheim@127.0.0.1:1"',
    "http://somebody:geheim@ho st:1",
    "http://somebody:%E2%82%ACgeheim@127.0.0.1:1",
]


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_proxys_password_is_in_no_log(tap: Tap, variable: str, password: str) -> None:
    proxy = {variable: f"http://somebody:{password}@127.0.0.1:1"}
    output = tap(ABROAD, no_proxy="", NO_PROXY="", TAP_CROCT_LOGLEVEL="DEBUG", **proxy, code=1)
    assert password not in output.stderr


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("proxy", NO_PROXIES)
def test_what_is_not_the_url_of_a_proxy(tap: Tap, proxy: str, variable: str) -> None:
    output = tap(ABROAD, no_proxy="", TAP_CROCT_LOGLEVEL="DEBUG", **{variable: proxy}, code=1)
    assert f"{variable} is not the URL of a proxy" in output.last_line
    assert "percent-encoded" in output.last_line
    assert "geheim" not in output.stderr


DOWN = (
    "through the proxy of the environment failed: Connection refused. Check `api_url` and the proxy"
)
PROXIES = {
    "127.0.0.1:1": DOWN,
    "http://127.0.0.1:1/": DOWN,
    "http://somebody@127.0.0.1:1": DOWN,
    "HTTP://somebody:ge%23heim@127.0.0.1:1": DOWN,
    "http://somebody:@[::1]:1": DOWN,
    "socks5://u:%E2%82%AC@127.0.0.1:1": "HTTPS_PROXY names a SOCKS proxy: install PySocks",
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_that_cannot_be_used(tap: Tap, proxy: str) -> None:
    output = tap(ABROAD, no_proxy="", HTTPS_PROXY=proxy, code=1)
    assert PROXIES[proxy] in output.last_line
