"""The environment of a run: levels of the log, `.env`, the key as it arrives, proxies, batch files."""

from __future__ import annotations

import gzip
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pytest

from dev.environments import ROOT
from dev.expected import expected_records
from dev.running import TAP, clean_environment
from dev.sandbox import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from dev.sandbox import Sandbox
    from tests.support.fixtures import Tap

KEY = "5f0c1c1e-7a3b-4d7e-9b62-0c3f6f1e8a11"


@pytest.mark.parametrize("name", ["LOGLEVEL", "TAP_CROCT_LOGLEVEL"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_level_counts_as_not_set(
    sandbox: Sandbox, tap: Tap, name: str, value: str
) -> None:
    output = tap(sandbox.config(), **{name: value})
    assert output.code == 0, output.stderr
    assert "INFO" in output.stderr
    assert "DEBUG" not in output.stderr


@pytest.mark.parametrize("name", ["LOGLEVEL", "TAP_CROCT_LOGLEVEL"])
def test_a_wrong_level(sandbox: Sandbox, tap: Tap, name: str) -> None:
    output = tap(sandbox.config(), **{name: "loud"})
    assert output.code == 1
    assert f"{name} must be DEBUG, INFO, WARNING, ERROR or CRITICAL" in output.last_line
    assert not sandbox.requests


def test_white_space_and_a_byte_order_mark(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    lines = [f"TAP_CROCT_API_KEY={KEY}", "TAP_CROCT_PAGE_SIZE=7"]
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    output = tap(None, "--config=ENV", TAP_CROCT_API_URL=f" {sandbox.url}\n")
    assert output.code == 0, output.stderr
    assert sandbox.requests[0].param("pageSize") == "7"
    assert output.warnings == []


@pytest.mark.parametrize(
    ("key", "warning"),
    [
        (KEY, None),
        (KEY.upper(), None),
        (f'"{KEY}"', "api_key: stands in quotes"),
        (f"'{KEY}'", "api_key: stands in quotes"),
        ("sandbox-key", "api_key: is not a version 4 UUID"),
        ("5f0c1c1e-7a3b-1d7e-9b62-0c3f6f1e8a11", "api_key: is not a version 4 UUID"),
    ],
)
def test_a_key_that_is_probably_wrong(
    sandbox: Sandbox, tap: Tap, key: str, warning: str | None
) -> None:
    sandbox.faults = [Fault(status=401, body=f'{{"title": "{KEY} is unknown"}}'.encode())]
    output = tap(sandbox.config(api_key=key))
    assert [line for line in output.warnings if "api_key" in line] == [
        line for line in output.warnings if warning and warning in line
    ]
    assert bool(output.warnings) is bool(warning)
    assert key not in output.stderr
    if key.strip("'\"") == KEY:
        assert KEY not in output.stderr


def test_no_configuration_at_all(tap: Tap) -> None:
    output = tap(None)
    assert output.code == 1
    assert "api_key: is required" in output.last_line
    assert "--config" in output.last_line


def test_an_empty_path(tap: Tap) -> None:
    output = tap(None, "--config", "")
    assert output.code == 2
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

PASSWORDS = ["pass#word", "p/ss", "pa ss", "p@ss:word", "pass?word", "pa[ss", "geheim%20"]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("host", ["127.0.0.1:1", "ho st:1"])
def test_a_proxys_password_is_in_no_log(tap: Tap, variable: str, password: str, host: str) -> None:
    proxy = f"http://somebody:{password}@{host}"
    config = {"api_key": KEY, "api_url": "https://127.0.0.1:9/export", "max_retries": 0}
    more = {"no_proxy": "", "NO_PROXY": "", "TAP_CROCT_LOGLEVEL": "DEBUG", variable: proxy}
    output = tap(config, **more)
    assert output.code == 1
    for secret in (password, f"somebody:{password}"):
        assert secret not in output.stderr
    if host == "ho st:1":
        assert f"{variable} is not the URL of a proxy" in output.last_line
        assert "percent-encoded" in output.last_line


@pytest.mark.parametrize(
    "proxy",
    [
        "somebody:geheim@127.0.0.1:1",
        "http:/somebody:geheim@127.0.0.1:1",
        "foo://somebody:geheim@127.0.0.1:1",
        r"http://somebody:geheim\dienst@127.0.0.1:1",
        "http://somebody:123/geheim@127.0.0.1:1",
        "http://somebody:geheim@127.0.0.1:1\n",
        "http://somebody:geheim@127.0.0.1:99999",
        "http://somebody:geheim@",
        '"http://somebody:geheim@127.0.0.1:1"',
    ],
)
def test_what_is_not_the_url_of_a_proxy(tap: Tap, proxy: str) -> None:
    config = {"api_key": KEY, "api_url": "https://127.0.0.1:9/export", "max_retries": 0}
    output = tap(config, no_proxy="", TAP_CROCT_LOGLEVEL="DEBUG", HTTPS_PROXY=proxy)
    assert output.code == 1
    assert "HTTPS_PROXY is not the URL of a proxy" in output.last_line
    assert "geheim" not in output.stderr


@pytest.mark.parametrize(
    "proxy",
    [
        "127.0.0.1:1",
        "http://127.0.0.1:1/",
        "HTTP://somebody:ge%23heim@127.0.0.1:1",
        "http://somebody:@[::1]:1",
        "http://somebody@127.0.0.1:1",
    ],
)
def test_a_proxy_that_is_down(tap: Tap, proxy: str) -> None:
    config = {"api_key": KEY, "api_url": "https://127.0.0.1:9/export", "max_retries": 0}
    output = tap(config, no_proxy="", HTTPS_PROXY=proxy)
    assert "through the proxy of the environment failed: Connection refused" in output.last_line


def test_socks_without_its_package(tap: Tap) -> None:
    config = {"api_key": KEY, "api_url": "https://127.0.0.1:9/export"}
    output = tap(config, no_proxy="", HTTPS_PROXY="socks5://127.0.0.1:1")
    assert "HTTPS_PROXY names a SOCKS proxy: install PySocks" in output.last_line


# Batch files


def batches(root: str, **storage: Any) -> dict[str, Any]:
    encoding = {"format": "jsonl", "compression": "gzip"}
    return {"batch_config": {"encoding": encoding, "storage": {"root": root, **storage}}}


@pytest.mark.parametrize("prefix", ["day/", "2026/11/croct-", "croct-"])
@pytest.mark.parametrize("as_uri", [True, False])
def test_a_prefix_with_a_folder(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, prefix: str, *, as_uri: bool
) -> None:
    root = tmp_path / "files"
    output = tap(sandbox.config(**batches(root.as_uri() if as_uri else str(root), prefix=prefix)))
    assert output.code == 0, output.stderr
    urls = {m["stream"]: m["manifest"] for m in output.of("BATCH")}
    path = urlparse(urls["users"][0]).path
    assert path.startswith(f"{root}/{prefix}")
    with gzip.open(path, "rb") as file:
        assert len(file.readlines()) == len(expected_records(sandbox.world, "users"))


WITHOUT_PACKAGE = [
    "gs://bucket",
    "s3://bucket/folder",
    "abfs://x",
    "sftp://host/x",
    "simplecache::gs://bucket",
]


@pytest.mark.parametrize("root", ["s4://bucket/x", "nothing://x", "S3://bucket", *WITHOUT_PACKAGE])
def test_an_unknown_storage(sandbox: Sandbox, tap: Tap, root: str) -> None:
    output = tap(sandbox.config(**batches(root)))
    assert output.code == 1
    assert "batch_config.storage.root: cannot be written to" in output.last_line
    assert not sandbox.requests


def test_parquet_without_its_package(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    config = sandbox.config(**batches("files"))
    config["batch_config"]["encoding"]["format"] = "parquet"
    output = tap(config)
    assert "batch_config.encoding.format: `parquet` needs pyarrow" in output.last_line
    assert not sandbox.requests
