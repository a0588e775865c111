"""The environment of a run: the key as it arrives, the working directory, and proxies."""

import subprocess
from pathlib import Path

import pytest

from dev.environments import ROOT
from dev.running import TAP, clean_environment
from dev.sandbox import Fault, Sandbox
from tests.support.fixtures import Tap

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


def test_an_empty_path(tap: Tap) -> None:
    output = tap(None, "--config", "", code=2)
    assert "--config '' cannot be read" in output.stderr


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = ["sh", "-c", 'cd gone && rmdir ../gone && exec "$@"', "sh", *TAP, "--config=ENV"]
    variables = clean_environment(PYTHONPATH=str(ROOT), TAP_CROCT_API_KEY=KEY)
    done = subprocess.run(command, cwd=tmp_path, env=variables, check=False, capture_output=True)
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-1]
    assert "The working directory, or the `.env` in it, cannot be read" in last


# Proxies

ABROAD = {"api_key": KEY, "api_url": "https://127.0.0.1:9/export", "max_retries": 0}
VARIABLES = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"]
PASSWORDS = ["pass#word", "p/ss", "pa ss", "p@ss:word", "pass?word", "pa[ss", "geheim%20"]
NO_PROXIES = [
    "somebody:geheim@127.0.0.1:1",
    "http:/somebody:geheim@127.0.0.1:1",
    "foo://somebody:geheim@127.0.0.1:1",
    r"http://somebody:geheim\dienst@127.0.0.1:1",
    "http://somebody:123/geheim@127.0.0.1:1",
    "http://somebody:geheim@127.0.0.1:1\n",
    "http://somebody:geheim@127.0.0.1:99999",
    "http://somebody:geheim@",
    '"http://somebody:geheim@127.0.0.1:1"',
    "http://somebody:geheim@ho st:1",
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


DOWN = "through the proxy of the environment failed: Connection refused"
PROXIES = {
    "127.0.0.1:1": DOWN,
    "http://127.0.0.1:1/": DOWN,
    "http://somebody@127.0.0.1:1": DOWN,
    "HTTP://somebody:ge%23heim@127.0.0.1:1": DOWN,
    "http://somebody:@[::1]:1": DOWN,
    "socks5://127.0.0.1:1": "HTTPS_PROXY names a SOCKS proxy: install PySocks",
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_that_cannot_be_used(tap: Tap, proxy: str) -> None:
    output = tap(ABROAD, no_proxy="", HTTPS_PROXY=proxy, code=1)
    assert PROXIES[proxy] in output.last_line
