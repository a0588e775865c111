"""The key is in no log line, error or message; it travels to the API alone, and encrypted."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from dev.running import write
from dev.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]

KEY = "k3y-0f-th3-sh0p-7f83b165"
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]


def assert_hidden(output: Output, *secrets: str) -> None:
    for secret in (KEY, *secrets):
        assert secret not in output.stderr
        assert secret not in output.stdout


@pytest.mark.parametrize("where", ["root", "tap-croct", "tap-croct.events"])
def test_wherever_a_handler_sits(
    start: Start, tap_process: Tap, tmp_path: Path, where: str
) -> None:
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
    logger = {"level": "DEBUG", "handlers": ["console"]}
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": handler},
        **({"root": logger} if where == "root" else {"loggers": {where: logger}}),
    }
    sandbox = start(api_key=KEY)
    sandbox.faults = [Fault(status=503, body=f'{{"title":"No room for {KEY}"}}'.encode())]
    output = tap_process(
        sandbox.config(max_records=1),
        SINGER_SDK_LOG_CONFIG=write(tmp_path / "logging.json", config),
    )
    assert output.code == 0
    assert "No room for ***" in output.stderr
    assert_hidden(output)


@pytest.mark.parametrize("level", LEVELS)
class TestLogs:
    """At any level."""

    def test_a_good_run(self, start: Start, tap: Tap, level: str) -> None:
        sandbox = start(api_key=KEY)
        output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL=level)
        assert output.code == 0
        assert sandbox.requests[0].headers["x-api-key"] == KEY
        assert_hidden(output)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=401, times=-1, body=f'{{"title":"The key {KEY} is unknown"}}'.encode()),
            Fault(status=503, times=-1, body=f'{{"title":"No room for {KEY}"}}'.encode()),
            Fault(status=302, times=-1, headers={"Location": f"https://x.example/?key={KEY}"}),
            Fault("reset", times=-1),
            Fault(status=200, times=-1, body=b'{"items":5}'),
        ],
        ids=["401", "503", "302", "reset", "200"],
    )
    def test_an_answer_that_quotes_it(
        self, start: Start, tap: Tap, level: str, fault: Fault
    ) -> None:
        sandbox = start(api_key=KEY)
        sandbox.faults = [fault]
        output = tap(sandbox.config(max_retries=1), TAP_CROCT_LOGLEVEL=level)
        assert output.code == 1
        assert_hidden(output)
        assert ("Traceback" in output.stderr) is (level == "DEBUG")

    @pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: 1", [KEY], {"k": KEY}, f"{KEY}é"])
    @pytest.mark.parametrize("option", [None, "--test", "--discover"])
    def test_a_malformed_key(
        self, sandbox: Sandbox, tap: Tap, level: str, key: object, option: str | None
    ) -> None:
        options = [option] if option else []
        output = tap(sandbox.config(api_key=key), *options, TAP_CROCT_LOGLEVEL=level)
        assert output.code == (0 if option == "--discover" else 1)
        assert_hidden(output)
        assert sandbox.requests == []


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_about(tap: Tap, form: str) -> None:
    options = [] if form == "text" else [f"--format={form}"]
    output = tap({"api_key": KEY}, "--config=ENV", "--about", *options, TAP_CROCT_API_KEY=KEY)
    assert output.code == 0
    assert "api_key" in output.stdout
    assert_hidden(output)


def test_a_configuration_that_is_no_object(tmp_path: Path, tap: Tap) -> None:
    for content in (f'["{KEY}"]', f'"{KEY}"', f'{{"api_key": "{KEY}"', f"{{'api_key': '{KEY}'}}"):
        write(tmp_path / "broken.json", content)
        output = tap(None, "--config", "broken.json", TAP_CROCT_LOGLEVEL="DEBUG")
        assert output.code == 2
        assert_hidden(output)


def test_structured_logs(start: Start, tap_process: Tap, tmp_path: Path) -> None:
    """As Meltano sets them up."""
    formatter = {"()": "singer_sdk.logging.StructuredFormatter"}
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"console": handler},
        "root": {"level": "DEBUG", "handlers": ["console"]},
    }
    sandbox = start(api_key=KEY)
    sandbox.faults = [Fault(status=401, body=f'{{"title":"{KEY}?"}}'.encode())]
    output = tap_process(
        sandbox.config(),
        SINGER_SDK_LOG_CONFIG=write(tmp_path / "logging.json", config),
        TAP_CROCT_LOGLEVEL="DEBUG",
    )
    assert output.code == 1
    assert '"level":"error"' in output.stderr
    assert_hidden(output)


class TestTravel:
    """It never leaves for another host, nor unencrypted."""

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
    def test_no_proxy_gets_a_request_to_this_machine(
        self, sandbox: Sandbox, start: Start, tap: Tap, name: str
    ) -> None:
        proxy = start(visits=1)
        output = tap(sandbox.config(), **{name: proxy.url.removesuffix("/export")})
        assert output.code == 0, output.stderr
        assert proxy.requests == []
        assert len(sandbox.requests) == 6

    def test_an_encrypted_connection_or_none(self, tap: Tap) -> None:
        """What answers in plain text gets no request, and so no key."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(20)
            url = f"https://127.0.0.1:{server.getsockname()[1]}"
            import threading

            seen: list[bytes] = []

            def answer() -> None:
                connection, _ = server.accept()
                with connection:
                    seen.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

            thread = threading.Thread(target=answer)
            thread.start()
            output = tap({"api_key": KEY, "api_url": url, "max_retries": 0})
            thread.join()
        assert output.code == 1
        assert "events: no secure connection to 127.0.0.1:" in output.last_line
        assert KEY.encode() not in seen[0]
        assert_hidden(output)
