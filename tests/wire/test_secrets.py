"""The key is in no log line, error or message; it travels to the API alone, and encrypted."""

import json
import logging
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dev.running import Output, write
from dev.sandbox import Fault, Sandbox
from tap_croct import errors
from tests.support.between import Between
from tests.support.fixtures import Start, Tap

KEY = 'k3y-"0f"\\the+sh/p-7f83b165'
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]
FORMS = {KEY, json.dumps(KEY)[1:-1], quote(KEY), quote(KEY, safe=""), quote(KEY, safe="").lower()}
"""The key as it is, as it looks in JSON, and as it looks in a URL."""


def assert_hidden(output: Output) -> None:
    for secret in (*FORMS, "7f83b165"):
        assert secret not in output.stderr
        assert secret not in output.stdout


def answers(title: str) -> list[Fault]:
    """Return answers that quote the key, each for all requests."""
    body = json.dumps({"title": title}).encode()
    location = {"Location": f"https://x.example/?key={quote(KEY)}"}
    return [
        Fault(status=401, times=-1, body=body),
        Fault(status=503, times=-1, body=body),
        Fault(status=302, times=-1, headers=location),
        Fault("reset", times=-1),
        Fault(status=200, times=-1, body=b'{"items":5}'),
    ]


@pytest.mark.parametrize("level", LEVELS)
def test_at_every_level(start: Start, tap: Tap, level: str) -> None:
    """In a good run, and in one with an answer that quotes the key."""
    sandbox = start(visits=1, api_key=KEY)
    output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL=level)
    assert sandbox.requests[0].headers["x-api-key"] == KEY
    assert_hidden(output)
    for fault in answers(f"It is <{'> or <'.join(FORMS)}>"):
        sandbox.faults = [fault]
        output = tap(sandbox.config(max_retries=1), TAP_CROCT_LOGLEVEL=level, code=1)
        assert_hidden(output)
        assert ("Traceback" in output.stderr) is (level == "DEBUG")
        if fault.body is not None and fault.status != 200:
            assert " or ".join(["<***>"] * len(FORMS)) in output.last_line


@pytest.mark.parametrize("key", [f"{KEY}\n", [KEY], {"k": KEY}, f"{KEY}é"])
@pytest.mark.parametrize(("option", "code"), [("--test", 1), ("--discover", 0)])
def test_a_malformed_key(sandbox: Sandbox, tap: Tap, key: object, option: str, code: int) -> None:
    output = tap(sandbox.config(api_key=key), option, TAP_CROCT_LOGLEVEL="DEBUG", code=code)
    assert_hidden(output)
    assert sandbox.requests == []


def test_it_is_redacted_before_a_text_is_cut(start: Start, tap: Tap) -> None:
    sandbox = start(visits=1, api_key=KEY)
    for before in range(300 - len(KEY), 301, 7):
        text = "x" * before + KEY + "and more" * 99
        body = json.dumps({"title": text, "type": text}).encode()
        sandbox.faults = [Fault(status=401, body=body)]
        output = tap(sandbox.config(), code=1)
        assert_hidden(output)
        assert KEY[:3] not in output.stderr


UUID = "7f83b165-0c3f-4d7e-9b62-5f0c1c1e8a11"


@pytest.mark.parametrize("key", [UUID, UUID.upper()])
def test_another_notation_of_a_uuid(start: Start, tap: Tap, key: str) -> None:
    notations = [UUID, UUID.upper(), UUID.replace("-", ""), UUID.upper().replace("-", "")]
    sandbox = start(visits=1, api_key=key)
    body = json.dumps({"title": " or ".join(notations)}).encode()
    sandbox.faults = [Fault(status=401, body=body)]
    output = tap(sandbox.config(), code=1)
    assert "*** or *** or *** or ***" in output.last_line
    assert "7f83b165" not in output.stderr.lower()


def test_a_proxys_password_as_it_is_sent(start: Start, tap: Tap) -> None:
    """In base64, as a proxy may quote the header that it got."""
    sandbox = start(visits=1)
    sent = b64encode(b"somebody:g#heim").decode()
    sandbox.faults = [Fault(status=401, body=json.dumps({"title": f"Not {sent}"}).encode())]
    output = tap(sandbox.config(), HTTPS_PROXY="http://somebody:g%23heim@127.0.0.1:1", code=1)
    assert "Not ***" in output.last_line


def test_what_is_too_short_to_be_a_secret(start: Start, tap: Tap) -> None:
    assert "`api_key`" in tap(start(visits=1).config(api_key="key"), code=1).last_line


HANDLER = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}


@pytest.mark.parametrize("where", ["root", "tap-croct", "tap-croct.events", "structured"])
def test_wherever_a_handler_sits(start: Start, tap: Tap, tmp_path: Path, where: str) -> None:
    """Also with the formatter that Meltano sets up."""
    handler: dict[str, Any] = {**HANDLER, "formatter": "json"} if where == "structured" else HANDLER
    logger = {"level": "DEBUG", "handlers": ["console"]}
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {"console": handler},
        **({"loggers": {where: logger}} if where.startswith("tap") else {"root": logger}),
    }
    sandbox = start(api_key=KEY)
    sandbox.faults = [Fault(status=503, body=json.dumps({"title": f"For {KEY}\x1b"}).encode())]
    output = tap(
        sandbox.config(max_records=1),
        SINGER_SDK_LOG_CONFIG=write(tmp_path / "logging.json", config),
    )
    assert r"For ***\x1b" in output.stderr.replace("\\\\", "\\")
    assert_hidden(output)


def test_lines_and_tracebacks_of_others(start: Start, tap: Tap) -> None:
    """Whatever library logs in the process of the tap, the sandbox in this case."""
    sandbox = start(visits=1, api_key=KEY)
    logger = logging.getLogger("some.library")

    def log(_: object) -> bool:
        logger.warning("It is %s\x1b[31m, %d", KEY, 5)
        try:
            raise ValueError(KEY)
        except ValueError:
            logger.exception("It fails")
        return False

    sandbox.faults = [Fault(when=log)]
    output = tap(sandbox.config())
    assert r"It is ***\x1b[31m, 5" in output.stderr
    assert "It fails\nTraceback (most recent call last):\n" in output.stderr
    assert "ValueError: ***" in output.stderr
    assert_hidden(output)


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_about(tap: Tap, form: str) -> None:
    options = [] if form == "text" else [f"--format={form}"]
    output = tap({"api_key": KEY}, "--config=ENV", "--about", *options, TAP_CROCT_API_KEY=KEY)
    assert "api_key" in output.stdout
    assert_hidden(output)


# It never leaves for another host, nor unencrypted


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_gets_a_request_to_this_machine(
    sandbox: Sandbox, start: Start, tap: Tap, name: str
) -> None:
    proxy = start(visits=1)
    capitals = sandbox.config(api_url=sandbox.url.replace("http:", "HTTP:"))
    tap(capitals, **{name: proxy.url.removesuffix("/export")})
    assert proxy.requests == []
    assert len(sandbox.requests) == 6


def test_a_proxy_gets_what_leaves_this_machine(tap: Tap, sandbox: Sandbox) -> None:
    config = {"api_key": KEY, "api_url": "HTTPS://croct.example", "max_retries": 0}
    output = tap(config, HTTPS_PROXY=sandbox.url.removesuffix("/export"), NO_PROXY="", code=1)
    assert "to croct.example through the proxy of the environment failed" in output.last_line
    assert_hidden(output)


RECORD = b'{"items":[{"userId":"1",\r\n"email":"jane.doe@mail.example"}]}\r\n'
BROKEN = [
    (RECORD, "failed: BadStatusLine"),
    (b"HTTP/1.1 jane.doe@mail.example\r\n\r\n", "failed: BadStatusLine"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{\r\n" + RECORD + b"\r\n", "200 OK. It has no body"),
    (b'HTTP/1.1 200 OK\r\n\r\n{"items":[],"nextCursor":' + RECORD + b"}", "but an object"),
]


@pytest.mark.parametrize(("answer", "says"), BROKEN)
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_an_error_quotes_no_record(
    sandbox: Sandbox, tap: Tap, level: str, answer: bytes, says: str
) -> None:
    between = Between(sandbox, lambda client: client.sendall(answer))
    config = {"api_key": KEY, "api_url": f"http://{between.host}", "max_retries": 0}
    output = tap(config, TAP_CROCT_LOGLEVEL=level, code=1)
    assert says in output.last_line
    assert "jane.doe" not in output.stderr


def test_an_error_that_nobody_expected_quotes_no_record() -> None:
    (line,) = errors.explain(ValueError("jane.doe@mail.example"))
    assert line.startswith("ValueError (")
    assert "jane.doe" not in line


def test_a_filter_quotes_no_record(sandbox: Sandbox, tap: Tap) -> None:
    maps = {"users": {"__filter__": "email"}}
    output = tap(sandbox.config(stream_maps=maps), TAP_CROCT_LOGLEVEL="DEBUG")
    emails = {user["email"] for user in output.records("users")}
    assert emails
    assert not any(email in output.stderr for email in emails)


def test_an_encrypted_connection_or_none(sandbox: Sandbox, tap: Tap) -> None:
    """What answers in plain text gets no request, and so no key."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    between = Between(sandbox, lambda client: client.sendall(answer))
    config = {"api_key": KEY, "api_url": f"https://{between.host}", "max_retries": 0}
    output = tap(config, code=1)
    assert "events: no secure connection to 127.0.0.1:" in output.last_line
    assert "it answers without TLS" in output.last_line
    assert "should start with `http://`" in output.last_line
    (received,) = between.received
    assert KEY.encode() not in received
    assert_hidden(output)
